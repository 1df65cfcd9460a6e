"""Whether a text says nearly what one of a fixed set says, asked of one text at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.mining.texts import ALMOST_EQUAL, Shingles, jaccard, normalised

NEAR = 0.8
"""Jaccard similarity of word triples from which two texts count as one; `ALMOST_EQUAL` on two subjects."""

_MIXERS = np.asarray([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_ROUNDING = 1e-9


def hashed_shingles(text: str) -> Shingles:
    """The distinct runs of three words as sorted hashes, comparable within one process; at least one.

    Unlike a `Shingler` it remembers no words, so that any number of texts can pass through.
    """
    words = np.fromiter((hash(word) for word in normalised(text).split()), dtype=np.int64)
    ids = np.pad(words, (0, max(0, 3 - len(words)))).astype(np.uint64)
    return np.unique(ids[:-2] * _MIXERS[0] + ids[1:-1] * _MIXERS[1] + ids[2:] * _MIXERS[2])


@dataclass(frozen=True, slots=True)
class NearTexts:
    """The set with the index that finds candidates; make it with `of`. Memory grows with the set only.

    Exact, by prefix filtering as in `pipeline.mining.texts.near_duplicates`: of two texts that are near, the
    rarest shingles have one in common. `vocabulary` holds the set's shingles, sorted; `rank` the place of
    each among them, rarest first; `owners[starts[n] : starts[n + 1]]` the texts with shingle `n` among their
    rarest.
    """

    texts: Sequence[Shingles]
    groups: NDArray[np.str_]
    sizes: NDArray[np.int64]
    vocabulary: Shingles
    rank: NDArray[np.int64]
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str], groups: Sequence[str]) -> Self:
        """The index of some texts; `groups` has the subject of each, empty where none is known."""
        shingles = [hashed_shingles(text) for text in texts]
        sizes = np.asarray([len(each) for each in shingles], dtype=np.int64)
        together = np.concatenate(shingles) if shingles else np.empty(0, dtype=np.uint64)
        vocabulary, columns, counts = np.unique(together, return_inverse=True, return_counts=True)
        rank = np.argsort(np.argsort(counts, kind="stable"))
        rows = np.repeat(np.arange(len(texts)), sizes)
        order = np.lexsort((rank[columns], rows))
        place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rarest = order[place < _prefix(sizes)[rows]]
        rarest = rarest[np.argsort(columns[rarest], kind="stable")]
        starts = np.searchsorted(columns[rarest], np.arange(len(vocabulary) + 1))
        return cls(shingles, np.asarray(groups, dtype=np.str_), sizes, vocabulary, rank, starts, rows[rarest])

    def has_near(self, text: str, group: str = "") -> bool:
        """Whether the set holds a text that is nearly this one, `group` being its subject."""
        own = hashed_shingles(text)
        found = self._candidates(own)
        other = (self.groups[found] != "") & (self.groups[found] != group) & bool(group)
        wanted = np.where(other, ALMOST_EQUAL, NEAR) - _ROUNDING
        sizes = self.sizes[found]
        # Of texts too unlike in length one cannot hold enough of the other.
        able = np.minimum(sizes, len(own)) >= wanted * np.maximum(sizes, len(own))
        chosen = zip(found[able].tolist(), wanted[able].tolist(), strict=True)
        return any(jaccard(own, self.texts[number]) >= least for number, least in chosen)

    def _candidates(self, own: Shingles) -> NDArray[np.int64]:
        """The texts that share one of the rarest shingles; those that the set lacks are the rarest of all."""
        if not len(self.vocabulary):
            return np.empty(0, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.vocabulary, own), len(self.vocabulary) - 1)
        known = places[self.vocabulary[places] == own]
        left = int(_prefix(np.asarray(len(own)))) - (len(own) - len(known))
        if left <= 0:
            return np.empty(0, dtype=np.int64)
        rarest = known[np.argsort(self.rank[known])][:left]
        owned = [self.owners[self.starts[place] : self.starts[place + 1]] for place in rarest]
        return np.unique(np.concatenate(owned))


def _prefix(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of a text's rarest shingles must be looked at so that no near text is missed."""
    kept: NDArray[np.int64] = sizes - np.ceil(NEAR * sizes - _ROUNDING).astype(np.int64) + 1
    return kept
