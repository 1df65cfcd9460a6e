"""Scores one model's folder on the dev panel and on the guard set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.transformer import TransformerEncoder
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from pipeline.training.panel.late import encoders_of, late_query_scores
from pipeline.training.panel.scores import encode_panel, means_by_task, scores_of_vectors, texts_in
from pipeline.training.panel.task import PanelTask
from pipeline.training.silence import silent

Panel = Sequence[PanelTask]


class Scores(BaseModel):
    """One model's nDCG@10 by task and query; `key` is a hash of model, panel and guard set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    dev: dict[str, dict[str, float]]
    guard: dict[str, dict[str, float]]
    more: dict[str, float] = {}

    @property
    def dev_means(self) -> dict[str, float]:
        """Task of the panel -> mean."""
        return means_by_task(self.dev)

    @property
    def guard_means(self) -> dict[str, float]:
        """Task outside medicine -> mean."""
        return means_by_task(self.guard)


def score_model(
    spec: ModelSpec, panels: Mapping[str, Panel], settings: Settings, progress: Progress
) -> dict[str, dict[str, dict[str, float]]]:
    """Panel's name -> task -> query_id -> nDCG@10, by torch, on a GPU where there is one.

    Raises:
        ModelUnavailableError: the weights are missing or contradict the entry.
    """
    total = sum(texts_in(panel) for panel in panels.values())
    with progress.stage(f"Scoring {spec.name}", total) as advance:
        score = _late(spec, settings) if spec.kind is ModelKind.LATE_INTERACTION else _dense(spec, settings)
        return {name: score(panel, advance) for name, panel in panels.items()}


_Score = Callable[[Panel, Callable[[int], None]], dict[str, dict[str, float]]]


def _dense(spec: ModelSpec, settings: Settings) -> _Score:
    with silent():
        encoder = TransformerEncoder(spec, cache=settings.cache)

    def score(panel: Panel, advance: Callable[[int], None]) -> dict[str, dict[str, float]]:
        vectors = encode_panel(panel, encoder.encode_queries, encoder.encode_documents, advance)
        return scores_of_vectors(panel, vectors)

    return score


def _late(spec: ModelSpec, settings: Settings) -> _Score:
    from sentence_transformers import MultiVectorEncoder

    folder = ready_weights(spec, cache=settings.cache)
    with silent():
        encoders = encoders_of(MultiVectorEncoder(str(folder), local_files_only=True))

    def score(panel: Panel, advance: Callable[[int], None]) -> dict[str, dict[str, float]]:
        return late_query_scores(panel, *encoders, advance)

    return score
