"""Many texts as one array of word hashes, and hashes of their runs of words, without a Python loop a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

First = TypeVar("First", np.int64, np.uint64)
Second = TypeVar("Second", np.int64, np.uint64)

_STEP = 0x9E3779B97F4A7C15
_LENGTH = 0xC2B2AE3D27D4EB4F
_BACK = np.uint64(pow(_STEP, -1, 2**64))


@dataclass(frozen=True, slots=True)
class Words:
    """Texts as word hashes: text `n` is `hashes[starts[n] : starts[n + 1]]`.

    Hashes are Python's own, and so comparable within one process only. Arithmetic wraps at 2**64.
    """

    hashes: Hashes
    starts: Rows

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]]) -> Self:
        """The texts, each given as its normalised words."""
        numbers = [hash(word) for words in texts for word in words]
        sizes = np.fromiter((len(words) for words in texts), dtype=np.int64, count=len(texts))
        return cls(np.asarray(numbers, dtype=np.int64).view(np.uint64), np.append(0, np.cumsum(sizes)))

    @classmethod
    def joined(cls, blocks: Sequence[Words]) -> Self:
        """The texts of several blocks as one."""
        sizes = np.concatenate([np.zeros(0, dtype=np.int64), *(block.sizes for block in blocks)])
        hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(block.hashes for block in blocks)])
        return cls(hashes, np.append(0, np.cumsum(sizes)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Rows:
        """Words of each text."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Rows:
        """For each word the number of its text."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def text(self, row: int) -> Hashes:
        """The word hashes of one text."""
        return self.hashes[self.starts[row] : self.starts[row + 1]]

    def chosen(self, rows: Rows) -> Words:
        """The texts with these numbers, in this order."""
        sizes = self.sizes[rows]
        starts = np.append(0, np.cumsum(sizes))
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        return Words(self.hashes[np.repeat(self.starts[rows], sizes) + within], starts)

    def without(self, dropped: NDArray[np.bool_]) -> Words:
        """The texts less the marked words."""
        before = np.append(0, np.cumsum(~dropped))
        return Words(self.hashes[~dropped], before[self.starts])

    def grams(self, size: int) -> tuple[Hashes, Rows]:
        """Hashes of every run of `size` words inside one text, and the number of its text."""
        count = max(len(self.hashes) - size + 1, 0)
        total = np.zeros(count, dtype=np.uint64)
        for place in range(size):
            total = total * np.uint64(_STEP) + self.hashes[place : place + count]
        rows = self.rows
        inside = rows[:count] == rows[size - 1 :] if count else np.zeros(0, dtype=np.bool_)
        return mixed(total[inside] + np.uint64(size * _LENGTH % 2**64)), rows[:count][inside]

    def whole(self) -> Hashes:
        """One hash a text: equal for texts of the same words in the same order."""
        sums = self._sums()
        return _finished(sums[self.starts[1:]] - sums[self.starts[:-1]], self.sizes)

    def heads(self) -> tuple[Hashes, Rows]:
        """For each word the hash of its text up to it, as `whole` would give, and its text's number."""
        sums, rows = self._sums(), self.rows
        return _finished(sums[1:] - sums[self.starts[rows]], self._places() + 1), rows

    def with_one_dropped(self) -> tuple[Hashes, Rows]:
        """For each word the hash of its text without it, as `whole` would give, and its text's number."""
        sums, rows = self._sums(), self.rows
        head = sums[:-1] - sums[self.starts[rows]]
        tail = (sums[self.starts[rows + 1]] - sums[1:]) * _BACK
        return _finished(head + tail, self.sizes[rows] - 1), rows

    def _places(self) -> Rows:
        return np.arange(len(self.hashes)) - np.repeat(self.starts[:-1], self.sizes)

    def _sums(self) -> Hashes:
        """Sums of hash times STEP ** place, the place being counted from the start of the text."""
        longest = int(self.sizes.max(initial=0))
        powers = np.full(longest, _STEP, dtype=np.uint64)
        powers[:1] = 1
        powers = np.cumprod(powers, dtype=np.uint64)
        return np.append(np.uint64(0), np.cumsum(self.hashes * powers[self._places()], dtype=np.uint64))


def _finished(sums: Hashes, sizes: Rows) -> Hashes:
    return mixed(sums + sizes.astype(np.uint64) * np.uint64(_LENGTH))


def mixed(numbers: Hashes) -> Hashes:
    """A bijection that spreads every bit over the whole number: MurmurHash3's 64-bit finaliser (Appleby)."""
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed_: Hashes = numbers ^ (numbers >> np.uint64(33))
    return mixed_


def distinct_pairs(first: NDArray[First], second: NDArray[Second]) -> tuple[NDArray[First], NDArray[Second]]:
    """Each pair of two columns once, ordered by the first and then the second."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), dtype=np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[new], second[new]
