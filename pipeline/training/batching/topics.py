"""Batches of neighbours: rows whose queries are near one another, so that telling them apart is hard.

So do Hofstätter et al. ("Efficiently Teaching an Effective Dense Retriever with Balanced Topic Aware
Sampling", SIGIR 2021); there topics are clusters made once, here they form anew around each pass's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medsearch.types import Vectors
from pipeline.training.batching.filling import Filled, Texts, fill


@dataclass(frozen=True, slots=True)
class Topics:
    """Where neighbours are looked for, and who goes before them.

    Attributes:
        vectors: of all rows' queries, shape (rows, dim), L2-normalised.
        window: how many rows of the order neighbours are looked for among.
        waiting: rows that must not wait longer, with how often each was used: the least used come first,
            whatever they are near to.
    """

    vectors: Vectors
    window: int
    waiting: Mapping[int, int] = field(default_factory=dict)


def fill_by_topic(order: Sequence[int], texts: Texts, size: int, topics: Topics) -> Filled:
    """Rows shared out into batches of `size`: the first row left of a window, and its nearest ones.

    What no batch of a window took comes first in the next one; at the end it is shared out in its order.

    Args:
        order: rows as the pass has them, those that wait before the others.
        texts: what a batch must not have twice, by row.
        size: rows a batch.
        topics: what is near, and who waits.
    """
    full: list[list[int]] = []
    left: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    start, end = 0, max(topics.window, len(topics.waiting))
    while start < len(order):
        left = np.concatenate([left, np.asarray(order[start:end], dtype=np.int64)])
        while len(left) >= size:
            batch = _around(left, texts, size, topics)
            if len(batch) < size:
                break
            full.append(batch)
            left = left[~np.isin(left, batch)]
        start, end = end, end + topics.window
    last = fill(left.tolist(), texts, size)
    return Filled(full + last.full, last.begun)


def _around(rows: NDArray[np.int64], texts: Texts, size: int, topics: Topics) -> list[int]:
    """The first row, those that wait, and then the nearest that can be in a batch with those before."""
    # Not by BLAS: how it adds up depends on its threads, and the plan must be the same after a kill.
    near = np.einsum("rd,d->r", topics.vectors[rows], topics.vectors[rows[0]])
    near[0] = np.inf
    uses = np.asarray([topics.waiting.get(row, np.inf) for row in rows.tolist()])
    batch: list[int] = []
    held: set[str] = set()
    for row in rows[np.lexsort((-near, uses))].tolist():
        if held.isdisjoint(texts[row]):
            batch.append(row)
            held |= texts[row]
            if len(batch) == size:
                break
    return batch
