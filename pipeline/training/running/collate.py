"""Rows of a batch as a model's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.training.batching.questions import QuestionVectors
from pipeline.training.job import TrainingExample
from pipeline.training.recipe import TrainRecipe
from pipeline.training.teaching.teacher import Teacher, batch_scores

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer


class Collate:
    """Rows as the model's input: a column of queries, one of documents (positives, then each negative's).

    Prompts stand before the texts as in use; queries and documents are cut at the recipe's lengths. With a
    teacher, its scores are the labels. Where the recipe has `same_question`, the queries come with the base's
    vectors of them, shape (B, dim).
    """

    def __init__(
        self,
        model: SentenceTransformer | MultiVectorEncoder,
        recipe: TrainRecipe,
        teacher: Teacher | None = None,
        questions: QuestionVectors | None = None,
    ) -> None:
        self._model, self._recipe, self._teacher = model, recipe, teacher
        self._questions = questions if recipe.loss.same_question < 1 else None

    def __call__(self, rows: Sequence[TrainingExample]) -> dict[str, Any]:
        """A batch."""
        import torch

        from pipeline.training.batching.same_question import BASE_VECTORS

        queries, documents = columns(rows)
        train = self._recipe.train
        batch: dict[str, Any] = {}
        for column, texts, tokens in (
            ("query", queries, train.query_tokens),
            ("document", documents, train.document_tokens),
        ):
            prompt = self._model.prompts.get(column) or None
            features = self._model.preprocess(texts, prompt=prompt, task=column, max_length=tokens)
            batch |= {f"{column}_{name}": value for name, value in features.items()}
        if self._questions is not None:
            batch[f"query_{BASE_VECTORS}"] = torch.from_numpy(self._questions.of(queries))
        if self._teacher is not None:
            assert self._recipe.distill is not None, "a teacher comes from the recipe"
            scores = batch_scores(self._teacher, queries, documents, in_batch=self._recipe.distill.in_batch)
            # Flat: two-dimensional labels could be taken for vectors by Matryoshka's loss, and be cut.
            batch["label"] = torch.from_numpy(scores.ravel())
        return batch


def columns(rows: Sequence[TrainingExample]) -> tuple[list[str], list[str]]:
    """The queries (B), and the documents: B positives, then B texts for each negative."""
    documents = [row.positive for row in rows]
    for column in zip(*(row.negatives for row in rows), strict=True):
        documents.extend(column)
    return [row.query for row in rows], documents
