"""Near-duplicates with edits all over: runs of three words compared by MinHash, then exactly.

Source: Broder, "On the resemblance and containment of documents", 1997; the locality-sensitive index as in
Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", chapter 3. Sketches are made of whole blocks of
texts, and only of those that can be near; `benchmarks/contamination_scale.py` sets it beside `datasketch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from medsearch.evaluation.overlap.containment import COMMON
from medsearch.evaluation.overlap.found import Found
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.words import Hashes, Rows, Words, distinct_pairs, mixed

GRAM = 3
JACCARD = 0.5
"""Of two texts alike but for one word in nine, this is what the Jaccard similarity of runs of three is."""

LEAST_GRAMS = 16
"""A text with fewer runs that are no stock phrase is left to `edits`, which knows slots of templates."""

BANDS, ROWS = 42, 3
"""A pair at `JACCARD` shares no band, and is missed, with probability (1 - 0.5**3)**42, which is 0.4 %."""

_WORTH_SORTING = 0.4
_FIRST, _SECOND = np.random.default_rng(20240521).integers(0, 2**64, size=(2, BANDS * ROWS), dtype=np.uint64)
_ODD = np.uint64(1)


@dataclass(frozen=True, slots=True)
class SketchSearch:
    """Benchmark texts by the bands of their sketches; `grams` has the runs of each, sorted, as `Words`."""

    known: HashTable
    bands: HashTable
    grams: Words

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The search over these benchmark texts."""
        hashes, rows = texts.grams(GRAM)
        known = HashTable.of(hashes, rows, listed=0)
        own = known.owned(hashes) <= COMMON
        grams = _sets(rows[own], hashes[own], len(texts))
        long = np.flatnonzero(grams.sizes >= LEAST_GRAMS)
        keys, of_text = _band_keys(grams.chosen(long))
        return cls(known, HashTable.of(keys, long[of_text], listed=len(texts)), grams)

    def find(self, asked: Words, /) -> Found:
        """Pairs whose runs of three words, without stock phrases, have a Jaccard similarity of `JACCARD`."""
        mine = self._worth_a_sketch(asked)
        long = np.flatnonzero(mine.sizes >= LEAST_GRAMS)
        keys, of_row = _band_keys(mine.chosen(long))
        rows, texts = distinct_pairs(*self.bands.texts_of(keys, long[of_row]))
        sizes, others = mine.sizes[rows], self.grams.sizes[texts]
        able = np.minimum(sizes, others) >= JACCARD * np.maximum(sizes, others)
        triples = [
            (row, text, jaccard(mine.text(row), self.grams.text(text)))
            for row, text in zip(rows[able].tolist(), texts[able].tolist(), strict=True)
        ]
        return Found.of([triple for triple in triples if triple[2] >= JACCARD])

    def _worth_a_sketch(self, asked: Words) -> Words:
        """The runs of the texts that have enough in common with the benchmark as a whole; none of others.

        Runs that no benchmark text has can be in no intersection, so that most texts end here. The filter
        counts a run as often as it occurs, and lets a sixteenth of the unknown through, hence the lower bar.
        """
        hashes, rows = asked.grams(GRAM)
        every = np.bincount(rows, minlength=len(asked))
        likely = np.bincount(rows[self.known.maybe(hashes)], minlength=len(asked))
        worth = (likely >= _WORTH_SORTING * every) & (every >= LEAST_GRAMS)
        hashes, rows = hashes[worth[rows]], rows[worth[rows]]
        own = self.known.owned(hashes) <= COMMON
        return _sets(rows[own], hashes[own], len(asked))


def jaccard(a: Hashes, b: Hashes) -> float:
    """Shared members of two sets, given as sorted arrays, as a share of all."""
    shared = np.intersect1d(a, b, assume_unique=True).size
    return float(shared / (a.size + b.size - shared))


def sketch(sets: Words) -> Hashes:
    """MinHash signatures, shape (BANDS * ROWS, sets): of each permutation the least hash; no set is empty."""
    signatures = np.empty((BANDS * ROWS, len(sets)), dtype=np.uint64)
    for number, (first, second) in enumerate(zip(_FIRST, _SECOND, strict=True)):
        permuted = mixed(sets.hashes * (first | _ODD) + second)
        signatures[number] = np.minimum.reduceat(permuted, sets.starts[:-1])
    return signatures


def _band_keys(sets: Words) -> tuple[Hashes, Rows]:
    """A hash for each band of each set, and the set's number."""
    if not len(sets):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    bands = sketch(sets).reshape(BANDS, ROWS, len(sets))
    keys = np.arange(1, BANDS + 1, dtype=np.uint64)[:, np.newaxis]
    for row in range(ROWS):
        keys = mixed(keys * np.uint64(31) + bands[:, row])
    return keys.ravel(), np.tile(np.arange(len(sets)), BANDS)


def _sets(rows: Rows, hashes: Hashes, count: int) -> Words:
    rows, hashes = distinct_pairs(rows, hashes)
    return Words(hashes, np.append(0, np.cumsum(np.bincount(rows, minlength=count))))
