"""Rows shared out into batches in which no text and no question stands twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.training.job import TrainingExample

Texts = Mapping[int, frozenset[str]]
"""What must not be in a batch twice, by row."""

_OPEN = 32
"""Batches being filled at once: a row whose texts one of them has goes into another."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Full batches, and batches that are not."""

    full: list[list[int]]
    begun: list[list[int]]


def texts_of(rows: Sequence[TrainingExample], chosen: Sequence[int], negatives: int) -> Texts:
    """For each chosen row its texts, and the question that it shares with others, if it has an id."""
    return {
        number: frozenset(
            (
                f"id\0{rows[number].query_id or rows[number].query}",
                rows[number].query,
                rows[number].positive,
                *rows[number].negatives[:negatives],
            )
        )
        for number in chosen
    }


def fill(order: Sequence[int], texts: Texts, size: int) -> Filled:
    """Rows shared out into batches of `size`, in their order; some may find no place."""
    full: list[list[int]] = []
    begun: list[tuple[list[int], set[str]]] = []
    for row in order:
        own = texts[row]
        for place, (batch, held) in enumerate(begun):
            if held.isdisjoint(own):
                batch.append(row)
                held |= own
                if len(batch) == size:
                    full.append(batch)
                    del begun[place]
                break
        else:
            if len(begun) < _OPEN:
                begun.append(([row], set(own)))
    return Filled(full, [batch for batch, _ in begun])
