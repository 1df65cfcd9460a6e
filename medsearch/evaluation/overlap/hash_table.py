"""Which benchmark texts have a hash, asked for many hashes at once: sorted arrays behind a filter of bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.overlap.words import Hashes, Rows, distinct_pairs

_BITS_A_KEY = 16
"""Then one unknown hash in sixteen gets past the filter to the search."""

_LEAST_BITS = 16


@dataclass(frozen=True, slots=True)
class HashTable:
    """Key `n` belongs to `counts[n]` texts: `owners[starts[n] : starts[n + 1]]`, or unlisted if too many."""

    keys: Hashes
    counts: NDArray[np.int32]
    starts: Rows
    owners: NDArray[np.int32]
    bits: NDArray[np.uint8]
    shift: np.uint64

    @classmethod
    def of(cls, hashes: Hashes, texts: Rows, *, listed: int) -> Self:
        """The table of (hash, text) pairs; the texts of a key are listed where they are at most `listed`."""
        hashes, texts = distinct_pairs(hashes, texts)
        keys, counts = np.unique(hashes, return_counts=True)
        kept = np.repeat(counts <= listed, counts)
        starts = np.append(0, np.cumsum(np.where(counts <= listed, counts, 0)))
        width = max(_LEAST_BITS, int(len(keys) * _BITS_A_KEY).bit_length())
        bits = np.zeros(2 ** (width - 3), dtype=np.uint8)
        places = keys >> np.uint64(64 - width)
        np.bitwise_or.at(
            bits, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8)
        )
        owners = texts[kept].astype(np.int32)
        return cls(keys, counts.astype(np.int32), starts, owners, bits, np.uint64(64 - width))

    def maybe(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Whether each may be a key: never wrong where it says no, one time in sixteen where it says yes."""
        places = hashes >> self.shift
        bit = (places & np.uint64(7)).astype(np.uint8)
        found: NDArray[np.bool_] = (self.bits[places >> np.uint64(3)] >> bit) & np.uint8(1) == 1
        return found

    def find(self, hashes: Hashes) -> Rows:
        """The number of the key that each hash is, -1 where it is none."""
        found = np.full(len(hashes), -1, dtype=np.int64)
        if len(self.keys):
            likely = np.flatnonzero(self.maybe(hashes))
            places = np.minimum(np.searchsorted(self.keys, hashes[likely]), len(self.keys) - 1)
            right = self.keys[places] == hashes[likely]
            found[likely[right]] = places[right]
        return found

    def owned(self, hashes: Hashes) -> Rows:
        """How many texts have each of these hashes, also where that is too many to be listed."""
        found = self.find(hashes)
        counts = np.zeros(len(hashes), dtype=np.int64)
        counts[found >= 0] = self.counts[found[found >= 0]]
        return counts

    def texts_of(self, hashes: Hashes, rows: Rows) -> tuple[Rows, Rows]:
        """Pairs (row, text), one for each listed text of each hash; `rows` says whose each hash is."""
        found = self.find(hashes)
        rows, found = rows[found >= 0], found[found >= 0]
        sizes = self.starts[found + 1] - self.starts[found]
        ends = np.cumsum(sizes)
        within = np.arange(int(sizes.sum())) - np.repeat(ends - sizes, sizes)
        return np.repeat(rows, sizes), self.owners[np.repeat(self.starts[found], sizes) + within].astype(
            np.int64
        )
