"""Rows that ask the same are no negatives of one another; imported only when training begins."""

from __future__ import annotations

import torch
from sentence_transformers.util import all_gather, cos_sim
from torch import Tensor

from pipeline.training.processes import rank

BASE_VECTORS = "base_vectors"
"""What the base's vectors of a batch's queries are called among their features."""


class SameQuestion:
    """Cosine of a batch's queries and documents, and -inf where a document is no negative of a query.

    That is every text of another row whose query has a cosine `above` to this one, by the base's vectors. The
    queries come a slice at a time, in their order, as often as there are Matryoshka lengths.
    """

    def __init__(self, above: float, *, gather: bool) -> None:
        self._above, self._gather = above, gather
        self._left_out = torch.empty(0, 0, dtype=torch.bool)
        self._begin = 0

    @torch.no_grad()
    def look(self, vectors: Tensor | None) -> None:
        """Take in a batch: the base's vectors of its queries, shape (B, dim), L2-normalised."""
        if vectors is None:
            raise ValueError("the batch has no vectors of its queries")
        self._begin = 0
        with torch.autocast(vectors.device.type, enabled=False):
            everywhere = all_gather(vectors) if self._gather else vectors
            self._left_out = vectors @ everywhere.T > self._above
            own = torch.arange(len(vectors), device=vectors.device)
            self._left_out[own, own + (rank() * len(vectors) if self._gather else 0)] = False

    @property
    def left_out(self) -> Tensor:
        """Of the batch: whether a row's texts (column, of all devices) are no negatives of a query."""
        return self._left_out

    def __call__(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Scores (queries, documents); documents are all rows' positives, then a block for each negative."""
        rows = self._left_out[self._begin : self._begin + len(queries)]
        self._begin = (self._begin + len(queries)) % len(self._left_out)
        return cos_sim(queries, documents).masked_fill(
            rows.repeat(1, len(documents) // rows.shape[1]), -torch.inf
        )
