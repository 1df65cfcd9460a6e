"""What the searches give back: pairs of a text and a benchmark text, with how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.overlap.words import Rows, Words


class Kind(StrEnum):
    """How two texts overlap, the surest first."""

    EXACT = "exact"
    CONTAINMENT = "containment"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Found:
    """Three columns: the text asked about, the benchmark text it overlaps, and their similarity in (0, 1]."""

    rows: Rows
    texts: Rows
    similarity: NDArray[np.float64]

    @classmethod
    def of(cls, triples: Sequence[tuple[int, int, float]]) -> Self:
        """The columns of (row, text, similarity) triples."""
        table = np.asarray(triples, dtype=np.float64).reshape(-1, 3)
        return cls(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])


class Search(Protocol):
    """One way to find overlaps."""

    def find(self, asked: Words, /) -> Found:
        """The pairs of a text of `asked` and a benchmark text that overlap in this way."""
        ...
