"""Whose turn it is: the order in which a pass takes the rows, so that none is passed over for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.training.batching.together import by_document
from pipeline.training.job import TrainingExample

_WINDOW = 24
"""Batches' worth of shuffled rows that are sorted by length together: more save little more padding."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How rows whose turn is the same are arranged: by document, by length (shape (rows,)), or as they come.

    `size` is rows a batch.
    """

    rows: Sequence[TrainingExample]
    lengths: NDArray[np.int64]
    size: int
    by_document: bool
    by_length: bool

    def of(self, order: list[int], before: int) -> list[int]:
        """The rows as arranged; `before` rows come before them."""
        if self.by_document:
            return by_document(order, self.rows, self.size, before)
        if not self.by_length:
            return order
        window = _WINDOW * self.size
        parts = (order[start : start + window] for start in range(0, len(order), window))
        return [row for part in parts for row in sorted(part, key=self.lengths.__getitem__)]


class Turns:
    """The passes through some rows: those that the last one did not use come first, the least used before."""

    def __init__(self, rows: Sequence[int], arrangement: Arrangement) -> None:
        self._rows, self._arrangement = rows, arrangement
        self._uses: Counter[int] = Counter()
        self._waiting: list[int] = []

    @property
    def waiting(self) -> Mapping[int, int]:
        """How often each row was used that the last pass did not use."""
        return {row: self._uses[row] for row in self._waiting}

    def order(self, chance: np.random.Generator) -> list[int]:
        """The next pass's rows."""
        waiting = set(self._waiting)
        rest = [row for row in self._rows if row not in waiting]
        order: list[int] = []
        for _, rows in groupby(self._waiting, key=self._uses.__getitem__):
            order += self._arrangement.of(list(rows), len(order))
        shuffled = [rest[place] for place in chance.permutation(len(rest))]
        return order + self._arrangement.of(shuffled, len(order))

    def used(self, batches: Sequence[Sequence[int]]) -> None:
        """Say which rows the pass has used."""
        rows = {row for batch in batches for row in batch}
        self._uses.update(rows)
        left = [row for row in self._rows if row not in rows]
        self._waiting = sorted(left, key=self._uses.__getitem__)
