"""Verbatim parts: the share of one text's runs of eight words that the other has too.

Eight words in a row are hardly ever chosen twice by chance, unless they are a stock phrase. Runs that more
than `COMMON` benchmark texts share are such, and are not counted on either side, as Brown et al. ("Language
models are few-shot learners", 2020, appendix C) left out theirs. Where hardly any other runs are left, as in
a form with one name in it, those that are left must agree, and the form as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.overlap.found import Found
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.words import Hashes, Rows, Words, distinct_pairs

GRAM = 8
COMMON = 10
"""Runs of words in more benchmark texts than this are stock phrases."""

MANY = 16
SHARE = 0.5
SHARE_OF_FEW = 0.8
"""How much of a text's runs must be in the other: half, or of fewer than `MANY` (a question) four in five."""

_OWN_RUNS = 8
_OWN_SHARE = 0.1
"""Runs that are no stock phrase that a text may be judged by alone: so many, or this share of all.
With fewer, all of its runs count as well."""


@dataclass(frozen=True, slots=True)
class ContainmentSearch:
    """Benchmark texts by their runs of eight words; `counted` and `judged` are of each text."""

    texts: Words
    table: HashTable
    counted: Rows
    judged: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The search over these benchmark texts."""
        hashes, rows = texts.grams(GRAM)
        table = HashTable.of(hashes, rows, listed=COMMON)
        rows, hashes = distinct_pairs(rows, hashes)
        own = table.owned(hashes) <= COMMON
        every = np.bincount(rows, minlength=len(texts))
        counted = np.bincount(rows[own], minlength=len(texts))
        return cls(texts, table, counted, _judged(counted, every))

    def find(self, asked: Words, /) -> Found:
        """Pairs of which either text has enough of its runs in the other; similarity is the greater share."""
        hashes, rows = asked.grams(GRAM)
        owned = self.table.owned(hashes)
        touched = np.zeros(len(asked), dtype=np.bool_)
        touched[rows[(owned > 0) & (owned <= COMMON)]] = True
        rows, hashes = distinct_pairs(rows[touched[rows]], hashes[touched[rows]])
        every = np.bincount(rows, minlength=len(asked))
        own = self.table.owned(hashes) <= COMMON
        rows, hashes = rows[own], hashes[own]
        counted = np.bincount(rows, minlength=len(asked))
        pairs, shared = np.unique(
            np.stack(self.table.texts_of(hashes, rows), axis=1), axis=0, return_counts=True
        )
        mine, theirs = pairs[:, 0], pairs[:, 1]
        here, there = shared / counted[mine], shared / self.counted[theirs]
        enough = (here >= _needed(counted[mine])) & _judged(counted, every)[mine]
        enough |= (there >= _needed(self.counted[theirs])) & self.judged[theirs]
        for pair in np.flatnonzero(~enough & (np.maximum(here, there) >= SHARE_OF_FEW)):
            enough[pair] = _held(asked.text(mine[pair]), self.texts.text(theirs[pair])) >= SHARE
        return Found(mine[enough], theirs[enough], np.maximum(here, there)[enough])


def _needed(counted: Rows) -> NDArray[np.float64]:
    return np.where(counted < MANY, SHARE_OF_FEW, SHARE)


def _judged(counted: Rows, every: Rows) -> NDArray[np.bool_]:
    """Whether a text has enough runs of its own to be judged by them alone."""
    enough: NDArray[np.bool_] = (counted >= _OWN_RUNS) | (counted >= _OWN_SHARE * every)
    return enough & (counted > 0)


def _held(mine: Hashes, theirs: Hashes) -> float:
    """The greater share of one text's runs, stock phrases too, that the other has."""
    a, b = (set(Words(text, np.asarray([0, len(text)])).grams(GRAM)[0].tolist()) for text in (mine, theirs))
    return len(a & b) / min(len(a), len(b))
