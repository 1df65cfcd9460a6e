"""The loss of late-interaction training, as a torch module; imported only when training begins.

A batch comes in two columns, as in `pipeline.training.dense.objective`. Scores are MaxSim divided by the
query's tokens: they lie in -1 to 1 whatever its length, so that a temperature means what it does for cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import CachedMultiVectorMultipleNegativesRankingLoss
from sentence_transformers.util import all_gather_padded, cat_padded_token_embeddings, get_rank
from sentence_transformers.util.similarity import maxsim
from torch import Tensor, nn

from pipeline.training.batching.same_question import BASE_VECTORS, SameQuestion
from pipeline.training.dense.objective import Distil, Ranking, longest_first


class LateRanking(CachedMultiVectorMultipleNegativesRankingLoss):
    """Cross-entropy of each query's scores for all documents of the batch, and a teacher's part.

    `cached` encodes twice, a mini-batch at a time, and keeps gradients of the vectors only (Gao et al.,
    2021); else all that the gradients need is kept. Longest texts come first, `rows_at_once` at a time.
    """

    def __init__(self, model: MultiVectorEncoder, ranking: Ranking, *, cached: bool) -> None:
        super().__init__(
            model,
            scale=1 / ranking.temperature,
            mini_batch_size=ranking.rows_at_once,
            gather_across_devices=ranking.gather,
        )
        self.uses_gradient_cache = cached
        self._distil = next((term for term in ranking.terms if isinstance(term, Distil)), None)
        self._same = ranking.same
        self._places: list[Tensor] = []
        self._labels: Tensor | None = None

    def forward(self, sentence_features: Any, labels: Tensor | None = None) -> Tensor:
        """The loss of a batch; `labels` are a teacher's scores, flattened."""
        given = [dict(column) for column in sentence_features]
        vectors = given[0].pop(BASE_VECTORS, None)
        if self._same is not None:
            self._same.look(vectors)
        columns = [longest_first(column) for column in given]
        self._places, self._labels = [places for _, places in columns], labels
        texts = [
            {**column, "task": task} for (column, _), task in zip(columns, ("query", "document"), strict=True)
        ]
        if self.uses_gradient_cache:
            return super().forward(texts)
        parts = [
            list(self.embed_minibatch_iter(column, with_grad=True, copy_random_state=False))
            for column in texts
        ]
        return self.calculate_loss(
            [[vectors for vectors, *_ in column] for column in parts],
            [[mask for _, mask, _ in column] for column in parts],
        )

    def calculate_loss(
        self, reps: list[list[Tensor]], masks_chunks: list[list[Tensor]], *, with_backward: bool = False
    ) -> Tensor:
        """The loss of encoded mini-batches; with `with_backward`, their gradients too."""
        with torch.autocast(reps[0][0].device.type, enabled=False):
            joined = [cat_padded_token_embeddings(*column) for column in zip(reps, masks_chunks, strict=True)]
            ordered = [
                (vectors.float()[places], mask[places])
                for (vectors, mask), places in zip(joined, self._places, strict=True)
            ]
            if self.gather_across_devices:
                ordered[1] = all_gather_padded(*ordered[1], with_grad=True)
            if not with_backward:
                return torch.stack(list(self._parts(ordered))).sum()
            # Leaves of their own: the loss goes back through them once for each few queries.
            leaves = [(vectors.detach().requires_grad_(), mask) for vectors, mask in ordered]
            loss = torch.zeros((), device=leaves[0][0].device)
            for part in self._parts(leaves):
                part.backward()
                loss += part.detach()
            torch.autograd.backward(
                [vectors for vectors, _ in ordered], [vectors.grad for vectors, _ in leaves]
            )
        return loss

    def _parts(self, columns: Sequence[tuple[Tensor, Tensor]]) -> Any:
        """The loss of a few queries at a time, which add up to the batch's."""
        (queries, of_queries), (documents, of_documents) = columns
        rows = len(queries)
        first = get_rank() * len(self._places[1]) if self.gather_across_devices else 0
        for start in range(0, rows, self.score_mini_batch_size):
            end = min(start + self.score_mini_batch_size, rows)
            scores = maxsim(
                queries[start:end],
                documents,
                a_mask=of_queries[start:end],
                b_mask=of_documents,
                length_normalize=True,
            )  # (a few queries, all documents)
            positives = torch.arange(start, end, device=scores.device)
            ranked = scores if self._same is None else self._negatives(self._same, scores, positives)
            loss = nn.functional.cross_entropy(ranked * self.scale, first + positives)
            if self._distil is not None:
                loss = loss + self._taught(
                    self._distil, scores[:, first : first + len(self._places[1])], positives
                )
            yield loss * (end - start) / rows

    def _negatives(self, same: SameQuestion, scores: Tensor, queries: Tensor) -> Tensor:
        """Scores (a few queries, all documents), -inf where a document is no negative of a query."""
        rows, texts = (len(places) for places in self._places)
        # All of a device's documents stand together: its positives, then a block for each negative.
        by_device = same.left_out[queries].view(len(queries), -1, rows)
        return scores.masked_fill(by_device.repeat(1, 1, texts // rows).flatten(1), -torch.inf)

    def _taught(self, distil: Distil, scores: Tensor, positives: Tensor) -> Tensor:
        """How far scores for this device's documents (a few queries, B * k) are from a teacher's."""
        if self._labels is None:
            raise ValueError("the batch has no teacher's scores")
        rows = len(self._places[0])
        own = positives
        if not distil.in_batch:
            of_row = torch.arange(0, scores.shape[1], rows, device=scores.device)
            scores = scores.gather(1, positives[:, None] + of_row)
            own = torch.zeros_like(positives)
        return distil.apart(scores, self._labels.view(rows, -1)[positives], own)
