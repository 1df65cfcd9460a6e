"""Batches of neighbours: rows whose queries are near one another, so that telling them apart is hard.

So do Hofstätter et al. ("Efficiently Teaching an Effective Dense Retriever with Balanced Topic Aware
Sampling", SIGIR 2021); there topics are clusters made once, here they form anew around each pass's rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsearch.types import Vectors
from pipeline.training.filling import Filled, Texts, fill


def fill_by_topic(order: Sequence[int], texts: Texts, size: int, vectors: Vectors, window: int) -> Filled:
    """Rows shared out into batches of `size`: the first row left of a window, and its nearest ones.

    What no batch of a window took comes first in the next one; at the end it is shared out in its order.

    Args:
        order: rows as the pass has them.
        texts: what a batch must not have twice, by row.
        size: rows a batch.
        vectors: of all rows' queries, shape (rows, dim), L2-normalised.
        window: how many rows of the order neighbours are looked for among.
    """
    full: list[list[int]] = []
    left: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for start in range(0, len(order), window):
        left = np.concatenate([left, np.asarray(order[start : start + window], dtype=np.int64)])
        while len(left) >= size:
            batch = _around(left, texts, size, vectors)
            if len(batch) < size:
                break
            full.append(batch)
            left = left[~np.isin(left, batch)]
    last = fill(left.tolist(), texts, size)
    return Filled(full + last.full, last.begun, last.left)


def _around(rows: NDArray[np.int64], texts: Texts, size: int, vectors: Vectors) -> list[int]:
    """The first of the rows and then the nearest that can be in a batch with those before; `size` at most."""
    # Not by BLAS: how it adds up depends on its threads, and the plan must be the same after a kill.
    near = np.einsum("rd,d->r", vectors[rows], vectors[rows[0]])
    near[0] = np.inf
    batch: list[int] = []
    held: set[str] = set()
    for row in rows[np.argsort(-near, kind="stable")].tolist():
        if held.isdisjoint(texts[row]):
            batch.append(row)
            held |= texts[row]
            if len(batch) == size:
                break
    return batch
