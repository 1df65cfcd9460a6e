"""The loss of dense training, as torch modules; imported only when training begins.

A batch comes in two columns: its queries (B texts), and its documents: B positives, then B texts for each
negative. Both are encoded a few texts at a time, longest first, so that little is computed on padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import cos_sim
from torch import Tensor, nn

from pipeline.training.batching.same_question import BASE_VECTORS, SameQuestion
from pipeline.training.distill_table import DistillLoss, DistillTable

Features = Mapping[str, Any]
"""What a tokenizer gives for a column of texts: tensors of shape (texts, tokens), and words on the column."""


class Term(Protocol):
    """What is added to the contrastive loss."""

    def __call__(self, queries: Tensor, documents: Tensor, labels: Tensor | None, /) -> Tensor:
        """Its share of the loss; vectors are (B, dim) and (B * k, dim), as the columns are."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """The contrastive loss's settings, and what is added to it where vectors have all `dim` dimensions.

    `same` says which texts of a batch are no negatives of which query; `lengths` is how many of a vector are
    trained.
    """

    temperature: float
    rows_at_once: int
    gather: bool
    dim: int
    terms: tuple[Term, ...] = ()
    same: SameQuestion | None = None
    lengths: int = 1

    @property
    def similarity(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What the loss compares vectors by."""
        return cos_sim if self.same is None else self.same

    def added(self, queries: Tensor, documents: Tensor, labels: Tensor | None) -> Iterator[Tensor]:
        """Each term's value; nothing for vectors that Matryoshka has cut.

        The mean over lengths divides all by their number: the terms, which only whole vectors have, are
        multiplied by it before.
        """
        if queries.shape[-1] == self.dim:
            yield from (self.lengths * term(queries, documents, labels) for term in self.terms)


class CachedRanking(CachedMultipleNegativesRankingLoss):
    """Encodes twice, a mini-batch at a time, and keeps gradients of the vectors only (Gao et al., 2021)."""

    def __init__(self, model: SentenceTransformer, ranking: Ranking) -> None:
        super().__init__(
            model,
            scale=1 / ranking.temperature,
            similarity_fct=ranking.similarity,
            mini_batch_size=ranking.rows_at_once,
            gather_across_devices=ranking.gather,
        )
        self.ranking = ranking
        self._places: list[Tensor] = []

    def forward(self, sentence_features: Any, labels: Any = None) -> Tensor:
        """The loss of a batch."""
        columns = [longest_first(column) for column in sentence_features]
        self._places = [places for _, places in columns]
        return self.forward_cached([column for column, _ in columns], labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss of encoded mini-batches; with `with_backward`, their gradients too."""
        with torch.autocast(reps[0][0].device.type, enabled=False):
            ordered = [
                torch.cat(column).float()[places] for column, places in zip(reps, self._places, strict=True)
            ]
            # Leaves of their own: the loss below goes back through them once a mini-batch.
            leaves = [vectors.detach().requires_grad_(with_backward) for vectors in ordered]
            queries, documents = leaves
            columns = [[queries], *([part] for part in torch.split(documents, len(queries)))]
            loss = super().calculate_loss(columns, with_backward=with_backward)
            for value in self.ranking.added(queries, documents, labels):
                if with_backward:
                    torch.autograd.backward([value])
                loss = loss + value.detach()
            if with_backward:
                torch.autograd.backward(ordered, [leaf.grad for leaf in leaves])
        return loss


class PlainRanking(MultipleNegativesRankingLoss):
    """Encodes once and keeps everything that the gradients need."""

    def __init__(self, model: SentenceTransformer, ranking: Ranking) -> None:
        super().__init__(
            model,
            scale=1 / ranking.temperature,
            similarity_fct=ranking.similarity,
            gather_across_devices=ranking.gather,
        )
        self.ranking = ranking

    def forward(self, sentence_features: Any, labels: Any = None) -> Tensor:
        """The loss of a batch."""
        queries, documents = (
            encode(self.model, part, self.ranking.rows_at_once) for part in sentence_features
        )
        with torch.autocast(queries.device.type, enabled=False):
            queries, documents = queries.float(), documents.float()
            loss = self.compute_loss_from_embeddings([queries, *torch.split(documents, len(queries))], labels)
            return loss + sum(self.ranking.added(queries, documents, labels))


class Objective(nn.Module):
    """The whole loss: ranking, the mean over Matryoshka's lengths, and what holds the model near its base."""

    def __init__(
        self, ranking: CachedRanking | PlainRanking, lengths: Sequence[int], near: NearBase | None
    ) -> None:
        super().__init__()
        self.model = ranking.model
        self.ranking: nn.Module = (
            MatryoshkaLoss(ranking.model, ranking, list(lengths), [1 / len(lengths)] * len(lengths))
            if lengths
            else ranking
        )
        self.near = near
        self._same = ranking.ranking.same

    def forward(self, sentence_features: Any, labels: Any = None) -> Tensor:
        """The loss of a batch."""
        columns = [dict(column) for column in sentence_features]
        vectors = columns[0].pop(BASE_VECTORS, None)
        if self._same is not None:
            self._same.look(vectors)
        if self.near is not None:
            self.near.look(columns)
        loss: Tensor = self.ranking(columns, labels)
        return loss


class NearBase(nn.Module):
    """Mean squared distance between the batch's vectors and those that the base gives its texts.

    `base` is a frozen copy; `None` where the model has an adapter, which is then switched off to ask it.
    """

    def __init__(
        self, model: SentenceTransformer, base: SentenceTransformer | None, weight: float, rows: int
    ) -> None:
        super().__init__()
        self.base = base
        self._adapted = (model,)  # in a tuple, so that it is not a part of this module
        self._weight, self._rows = weight, rows
        self._wanted: list[Tensor] = []

    @torch.no_grad()
    def look(self, columns: Sequence[Features]) -> None:
        """Remember the base's vectors of a batch."""
        model = self.base if self.base is not None else self._adapted[0]
        learning = self._adapted[0].training
        model.eval()
        if self.base is None:
            model.disable_adapters()
        try:
            self._wanted = [encode(model, column, self._rows).float() for column in columns]
        finally:
            if self.base is None:
                model.enable_adapters()
                model.train(learning)

    def forward(self, queries: Tensor, documents: Tensor, _labels: Tensor | None = None) -> Tensor:
        """The weighted distance, summed over dimensions, averaged over texts."""
        apart = torch.cat([queries, documents]) - torch.cat(self._wanted)
        return self._weight * apart.square().sum(dim=-1).mean()


@dataclass(frozen=True, slots=True)
class Distil:
    """How far the model's scores are from a teacher's, which come as the batch's labels, flattened.

    With `in_batch` every query has a score for every document, else for its own positive and negatives.
    `margins` compares differences to the positive's score (Hofstätter et al., 2020), else softmaxes; then
    `of_teacher` divides the teacher's scores, 0 being `temperature`.
    """

    weight: float
    temperature: float
    in_batch: bool
    margins: bool
    of_teacher: float = 0.0

    def __call__(self, queries: Tensor, documents: Tensor, labels: Tensor | None, /) -> Tensor:
        """The weighted loss: 0 for rows that have nothing to compare."""
        if labels is None:
            raise ValueError("the batch has no teacher's scores")
        rows = len(queries)
        if self.in_batch:
            scores, own = queries @ documents.T, torch.arange(rows, device=queries.device)
        else:
            scores = torch.stack(
                [(queries * part).sum(dim=-1) for part in torch.split(documents, rows)], dim=1
            )
            own = torch.zeros(rows, dtype=torch.long, device=queries.device)
        return self.apart(scores, labels.view_as(scores), own)

    def apart(self, scores: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
        """The weighted loss of scores of shape (B, texts); `own` (B,) says where each query's positive is."""
        if self.margins:
            ours, theirs = (each.gather(1, own[:, None]) - each for each in (scores, wanted))
            return self.weight * (ours - theirs).square().mean()
        ours = torch.log_softmax(scores / self.temperature, dim=1)
        theirs = torch.log_softmax(wanted / (self.of_teacher or self.temperature), dim=1)
        return self.weight * nn.functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def distil_term(table: DistillTable) -> Distil:
    """The term that a recipe asks for."""
    margins = table.loss is DistillLoss.MARGIN
    return Distil(table.weight, table.temperature, table.in_batch, margins, table.teacher_temperature)


def encode(model: nn.Module, column: Features, rows: int) -> Tensor:
    """Vectors of a column, in its order, encoded at most `rows` texts at a time; shape (texts, dim)."""
    ordered, places = longest_first(column)
    texts = len(places)
    parts = [
        model(_part(ordered, start, min(start + rows, texts)))["sentence_embedding"]
        for start in range(0, texts, rows)
    ]
    return torch.cat(parts)[places]


def longest_first(column: Features) -> tuple[dict[str, Any], Tensor]:
    """The column's texts by falling length, and for each of the old order its place in the new."""
    order = torch.argsort(column["attention_mask"].sum(dim=1), descending=True, stable=True)
    sorted_column = {
        name: value[order] if isinstance(value, Tensor) else value for name, value in column.items()
    }
    return sorted_column, torch.argsort(order)


def _part(column: Features, start: int, end: int) -> dict[str, Any]:
    """Texts `start` to `end`, without the padding that all of them have."""
    width = int(column["attention_mask"][start:end].sum(dim=1).max())
    return {
        name: value[start:end, :width] if isinstance(value, Tensor) else value
        for name, value in column.items()
    }
