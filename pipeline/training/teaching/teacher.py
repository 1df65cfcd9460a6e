"""Teachers: what scores a query's texts better than the model that is trained, or just as it did before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medsearch.encoders.registry import find_model, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.protocols import Encoder
from medsearch.types import ModelKind, ModelSpec
from pipeline.training.job import TrainingJob
from pipeline.training.processes import rank
from pipeline.training.remembered import Remembered
from pipeline.training.teaching.term_scores import TermScores

Scores = NDArray[np.float32]

_CROSS_ENCODER = "cross-encoder:"
_HYBRID = "hybrid:"
_BM25 = "bm25"


class Teacher(Protocol):
    """Scores texts for queries; higher is better, and only scores of one query are comparable."""

    def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]], /) -> Scores:
        """For each query the scores of its documents, which are as many for each; (queries, documents)."""
        ...


def batch_scores(
    teacher: Teacher, queries: Sequence[str], documents: Sequence[str], *, in_batch: bool
) -> Scores:
    """A batch's scores, as the loss has them.

    `documents` are the positives of all queries, then each negative's column. Shape (queries, columns); with
    `in_batch` (queries, documents): every document for every query.
    """
    if in_batch:
        return teacher.scores(queries, [documents] * len(queries))
    return teacher.scores(queries, [documents[place :: len(queries)] for place in range(len(queries))])


def load_teacher(job: TrainingJob) -> Teacher:
    """The teacher that a recipe names. What it says is remembered in the run's folder.

    Raises:
        UsageError: it is no model of the registry, or one that cannot teach.
        ModelUnavailableError: it is not on this machine.
    """
    assert job.recipe.distill is not None, "only asked for where the recipe has a teacher"
    name = job.recipe.distill.teacher
    texts = [text for source in job.sources for row in source.rows for text in (row.positive, *row.negatives)]
    if name.startswith(_CROSS_ENCODER):
        return _cross_encoder(name.removeprefix(_CROSS_ENCODER), job)
    if name == _BM25:
        return TermScores(texts, find_model(_BM25, _registry(job)))
    if name.startswith(_HYBRID):
        dense = _dense(name.removeprefix(_HYBRID), job)
        terms = TermScores(texts, find_model(_BM25, _registry(job)))
        return HybridTeacher(dense, terms, job.recipe.distill.dense_share)
    return _dense(name, job)


def _registry(job: TrainingJob) -> Mapping[str, ModelSpec]:
    return load_registry(job.settings.models, cache=job.settings.cache)


@dataclass(frozen=True, slots=True)
class DenseTeacher:
    """Cosines of an encoder's vectors; each text is encoded once."""

    encoder: Encoder
    queries: Remembered
    documents: Remembered

    def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]], /) -> Scores:
        """Cosines, -1 to 1."""
        asked = self.queries.of(
            [(text,) for text in queries], lambda keys: self.encoder.encode_queries(_first(keys))
        )
        texts = list(dict.fromkeys(text for own in documents for text in own))
        found = self.documents.of(
            [(text,) for text in texts], lambda keys: self.encoder.encode_documents(_first(keys))
        )
        place = {text: number for number, text in enumerate(texts)}
        columns = np.asarray([[place[text] for text in own] for own in documents])
        scores: Scores = np.take_along_axis(asked @ found.T, columns, axis=1)
        return scores


@dataclass(frozen=True, slots=True)
class HybridTeacher:
    """The weighted mean of cosine and BM25, each brought to 0 to 1 by what it could be at most and at least.

    This is the convex combination of Bruch et al. (2023, "An Analysis of Fusion Functions for Hybrid
    Retrieval"), `dense_share` being the cosine's weight, with BM25's limit for the query in place of the
    highest score found, so that a score does not depend on the batch.
    """

    dense: DenseTeacher
    terms: TermScores
    dense_share: float = 0.5

    def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]], /) -> Scores:
        """Combined scores, 0 to 1."""
        cosine = (1 + self.dense.scores(queries, documents)) / 2
        limits = self.terms.limits(queries)[:, None]
        share = self.terms.scores(queries, documents) / np.maximum(limits, np.float32(1e-9))
        mean = self.dense_share * cosine + (1 - self.dense_share) * share
        return mean.astype(np.float32)


@dataclass(frozen=True, slots=True)
class CrossEncoderTeacher:
    """A model that reads query and text together; each pair is read once."""

    model: Any
    pairs: Remembered

    def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]], /) -> Scores:
        """What the model gives, before any squashing."""
        keys = [(query, text) for query, own in zip(queries, documents, strict=True) for text in own]
        return self.pairs.of(keys, self._read).reshape(len(queries), -1)

    def _read(self, pairs: Sequence[tuple[str, ...]]) -> Scores:
        from torch import nn

        scores = self.model.predict(list(pairs), activation_fn=nn.Identity(), show_progress_bar=False)
        return np.asarray(scores, dtype=np.float32).reshape(len(pairs), 1)


def _first(keys: Sequence[tuple[str, ...]]) -> list[str]:
    return [key[0] for key in keys]


def _dense(name: str, job: TrainingJob) -> DenseTeacher:
    spec = _dense_spec(name, job)
    encoder = load_encoder(spec, cache=job.settings.cache)
    identity = f"{spec.of_vectors!r} {spec.query_prompt!r}"
    sides = [
        Remembered(job.folder.teacher / side, f"{identity} {side}", spec.dim, part=rank())
        for side in ("queries", "documents")
    ]
    return DenseTeacher(encoder, *sides)


def _dense_spec(name: str, job: TrainingJob) -> ModelSpec:
    try:
        spec = find_model(name, _registry(job))
    except UsageError as error:
        raise UsageError(
            f"distill.teacher: {error}; or {_BM25}, {_HYBRID}MODEL, {_CROSS_ENCODER}FOLDER"
        ) from None
    if spec.kind is not ModelKind.DENSE:
        raise UsageError(
            f"distill.teacher: {spec.name} is {spec.kind}: a dense model, {_BM25} or a cross-encoder"
        )
    return spec


def _cross_encoder(folder: str, job: TrainingJob) -> CrossEncoderTeacher:
    from sentence_transformers import CrossEncoder

    from pipeline.journal import digest
    from pipeline.training.silence import silent

    path = Path(folder).expanduser()
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise ModelUnavailableError(
            f"distill.teacher: {path} has no model.safetensors: name the folder of a cross-encoder"
        )
    try:
        with silent():
            model = CrossEncoder(str(path), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelUnavailableError(f"distill.teacher: {path} is no cross-encoder ({reason})") from error
    if model.num_labels != 1:
        raise ModelUnavailableError(
            f"distill.teacher: {path} gives {model.num_labels} scores a pair; one for ranking gives one"
        )
    return CrossEncoderTeacher(
        model, Remembered(job.folder.teacher / "pairs", digest(weights), 1, part=rank())
    )
