"""The base's vectors of the training queries: what is near in subject, and what is the same question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medsearch.encoders.registry import Backend, load_encoder
from medsearch.protocols import Encoder
from medsearch.types import Vectors
from pipeline.training.base_model import base_spec
from pipeline.training.batching.batches import BatchPlan, BatchRules, Grouping
from pipeline.training.job import TrainingExample, TrainingJob
from pipeline.training.processes import first_says, is_first, rank
from pipeline.training.remembered import Remembered
from pipeline.training.silence import silent

_AT_ONCE = 512
"""Queries encoded between two notes of how far it is; what a kill can cost."""

_LOOKED_AT = 400


class QuestionVectors:
    """Vectors of queries, L2-normalised, each encoded once: they are kept in the training's folder.

    A model that comes with a package or from a hub is asked through ONNX, as in use; one in a folder through
    torch, so that a base made a moment ago need not be exported first.
    """

    def __init__(self, job: TrainingJob) -> None:
        self._job = job
        self._spec = base_spec(job.recipe, job.settings)
        self._encoder: Encoder | None = None
        self._remembered = self._opened()

    def prepare(self, texts: Sequence[str]) -> None:
        """Encode what is not known yet, on the first process; all must come here."""
        if not texts:
            return
        # Like lengths together: little is computed on padding.
        first_says(lambda: self._work(sorted(set(texts), key=lambda text: (len(text), text))))
        if not is_first():
            self._remembered = self._opened()

    def of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, shape (len(texts), dim)."""
        return self._remembered.of(
            [(text,) for text in texts], lambda keys: self._ask([key[0] for key in keys])
        )

    def _opened(self) -> Remembered:
        spec = self._spec
        identity = f"{spec.of_vectors!r} {spec.query_prompt!r} queries"
        return Remembered(self._job.folder.path / "questions", identity, spec.dim, part=rank())

    def _work(self, texts: Sequence[str]) -> None:
        with self._job.progress.stage("comparing queries", len(texts)) as done:
            for start in range(0, len(texts), _AT_ONCE):
                part = texts[start : start + _AT_ONCE]
                self.of(part)
                done(len(part))

    def _ask(self, texts: Sequence[str]) -> Vectors:
        if self._encoder is None:
            backend = Backend.TRANSFORMER if self._spec.source.startswith("path:") else Backend.ONNX
            with silent():
                self._encoder = load_encoder(self._spec, cache=self._job.settings.cache, backend=backend)
        return self._encoder.encode_queries(texts)


def question_vectors(job: TrainingJob) -> QuestionVectors | None:
    """What tells a job's queries apart; `None` where its recipe does not ask for that."""
    return (
        QuestionVectors(job) if job.recipe.train.topic_window or job.recipe.loss.same_question < 1 else None
    )


def topics_of(job: TrainingJob, rules: BatchRules, questions: QuestionVectors) -> dict[int, Vectors]:
    """By source, the vectors of its rows' queries, shape (rows, dim), where its batches go by topic."""
    chosen = {
        number: [row.query for row in source.rows]
        for number, source in enumerate(job.sources)
        if rules.grouping(source) is Grouping.TOPIC
    }
    questions.prepare([text for texts in chosen.values() for text in texts])
    return {number: questions.of(texts) for number, texts in chosen.items()}


def same_question_share(job: TrainingJob, plan: BatchPlan, questions: QuestionVectors) -> float:
    """Share of the pairs of a batch that count as one question, over the plan's first 400 batches."""
    rows = [row for source in job.sources for row in source.rows]
    same = pairs = 0
    for queries in _queries(rows, plan):
        vectors = questions.of(queries)
        same += int((vectors @ vectors.T > job.recipe.loss.same_question).sum()) - len(queries)
        pairs += len(queries) * (len(queries) - 1)
    return same / pairs


def _queries(rows: Sequence[TrainingExample], plan: BatchPlan) -> Iterator[list[str]]:
    for batch in plan.batches[:_LOOKED_AT]:
        yield [rows[number].query for number in batch.rows]
