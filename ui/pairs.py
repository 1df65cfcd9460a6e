"""Which documents two rankings share, and where each stands on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsearch.types import PassageHit


@dataclass(frozen=True, slots=True)
class Placed:
    """A hit with its rank here and on the other side (`None`: not in that list), both from 1.

    `pair` numbers the shared documents from 1 in the left list's order, the same on both sides.
    """

    hit: PassageHit
    here: int
    there: int | None
    pair: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rankings, each hit knowing its place in the other."""

    left: tuple[Placed, ...]
    right: tuple[Placed, ...]

    @property
    def shared(self) -> int:
        """How many documents both lists have."""
        return sum(placed.there is not None for placed in self.left)

    @property
    def same_order(self) -> bool:
        """Whether both lists have the same documents at the same ranks."""
        return len(self.left) == len(self.right) and all(placed.here == placed.there for placed in self.left)


def compare_hits(left: Sequence[PassageHit], right: Sequence[PassageHit]) -> Comparison:
    """Match two rankings by document."""
    left_ranks, right_ranks = _ranks(left), _ranks(right)
    shared = [doc_id for doc_id in left_ranks if doc_id in right_ranks]
    pairs = {doc_id: number for number, doc_id in enumerate(shared, start=1)}
    return Comparison(_placed(left, right_ranks, pairs), _placed(right, left_ranks, pairs))


def _ranks(hits: Sequence[PassageHit]) -> dict[str, int]:
    return {hit.passage.doc_id: rank for rank, hit in enumerate(hits, start=1)}


def _placed(hits: Sequence[PassageHit], other: dict[str, int], pairs: dict[str, int]) -> tuple[Placed, ...]:
    return tuple(
        Placed(hit, rank, other.get(hit.passage.doc_id), pairs.get(hit.passage.doc_id))
        for rank, hit in enumerate(hits, start=1)
    )
