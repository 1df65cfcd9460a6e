"""Short texts told word for word inside longer ones, where runs of eight words are too long to find them.

Texts of four to seven words are found where they stand by themselves: between ends of sentences, lines or the
text, or before a word such as "answer". A question may follow other words of its sentence. What goes on is
another text: "symptoms of lupus" is in no question on the symptoms of lupus nephritis. Stock phrases are not
looked for: those that more than `COMMON` benchmark texts hold, and those of hardly any weight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from medsearch.evaluation.overlap.containment import COMMON
from medsearch.evaluation.overlap.found import Found
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.normalise import FUNCTION_WORDS, WORD
from medsearch.evaluation.overlap.weights import WordWeights
from medsearch.evaluation.overlap.words import Hashes, Rows, Words, distinct_pairs

SIZES = range(4, 8)
"""Words of the texts looked for: longer ones have runs of eight, and shorter ones come together by chance."""

LEAST_WEIGHT = 0.6
"""The least weight of a text, as a share of that of a word which one benchmark text alone has."""

_OPENERS = FUNCTION_WORDS | {"how", "who", "whom", "whose", "when", "where", "why", "if"}
_CLOSERS = {"answer", "answers", "response", "context", "passage", "document"}
_ENDS = re.compile(r"[^\w\s'\u2019\u2010-\u2013/+&-]|\n")
_TEXTS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Short benchmark texts; `sizes` has a table for each length in words."""

    sizes: dict[int, HashTable]

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The search over these benchmark texts."""
        weights, tables = WordWeights.of(texts), {}
        for size in SIZES:
            rows = np.flatnonzero(texts.sizes == size)
            weigh = [
                weights.total(texts.text(row)) >= LEAST_WEIGHT * np.log1p(len(texts)) for row in rows.tolist()
            ]
            rows = rows[np.asarray(weigh, dtype=np.bool_)]
            hashes, _ = texts.chosen(rows).grams(size)
            own = _holders(texts, size, hashes) <= COMMON
            tables[size] = HashTable.of(hashes[own], rows[own], listed=1)
        return cls(tables)

    def find(self, asked: Words, plain: Sequence[str]) -> Found:
        """Pairs of which the benchmark's text stands by itself in the other; similarity 1.

        `plain` has the texts that the words of `asked` are from.
        """
        pairs: set[tuple[int, int]] = set()
        for size, table in self.sizes.items():
            hashes, rows = asked.grams(size)
            places = np.arange(len(hashes)) - np.searchsorted(rows, rows)
            likely = np.flatnonzero(table.maybe(hashes))
            hits, texts = table.texts_of(hashes[likely], likely)
            for hit, text in zip(hits.tolist(), texts.tolist(), strict=True):
                row = int(rows[hit])
                if (row, text) not in pairs and _stands_alone(plain[row], int(places[hit]), size):
                    pairs.add((row, text))
        return Found.of([(row, text, 1.0) for row, text in sorted(pairs)])


def _holders(texts: Words, size: int, runs: Hashes) -> Rows:
    """How many texts have each run; a block at a time, so that memory stays small."""
    keys = np.unique(runs)
    counts = np.zeros(len(keys), dtype=np.int64)
    wanted = HashTable.of(keys, np.arange(len(keys)), listed=1)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        block = texts.chosen(np.arange(start, min(start + _TEXTS_AT_ONCE, len(texts))))
        hashes, rows = block.grams(size)
        found, numbers = wanted.texts_of(hashes, rows)
        np.add.at(counts, distinct_pairs(found, numbers)[1], 1)
    held: Rows = counts[np.searchsorted(keys, runs)]
    return held


def _stands_alone(plain: str, place: int, size: int) -> bool:
    """Whether the run of words from `place` on is a sentence or line, a question perhaps the end of one."""
    before = after = None
    words: list[re.Match[str]] = []
    for number, word in enumerate(WORD.finditer(plain)):
        if number == place - 1:
            before = word
        elif place <= number < place + size:
            words.append(word)
        elif number == place + size:
            after = word
            break
    opens = before is None or words[0].group() in _OPENERS or _parted(plain, before, words[0])
    closes = after is None or after.group() in _CLOSERS or _parted(plain, words[-1], after)
    return opens and closes


def _parted(plain: str, one: re.Match[str], other: re.Match[str]) -> bool:
    return _ENDS.search(plain, one.end(), other.start()) is not None
