"""Scores of mteb's tasks that are not retrieval (clustering, reranking), which only mteb can make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medsearch.encoders.registry import load_encoder
from medsearch.errors import MedsearchError
from medsearch.search.conditions import retriever_conditions
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from medsearch.workbench.hub.bench import told_of
from medsearch.workbench.hub.tasks import HubTask


@dataclass(frozen=True, slots=True)
class OtherScore:
    """A score of a task that is not retrieval: `measure` is mteb's main one, `file` its result.

    `kept` says that it was there before.
    """

    corpus: str
    split: str
    retriever: str
    measure: str
    score: float
    file: Path
    kept: bool


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """Where to keep scores of a task that is not retrieval, and whether to make `again` what is there.

    `before` is called before a score is made, and not where one was kept: to note the look that it is.
    """

    folder: Path
    again: bool = False
    before: Callable[[], None] = lambda: None


def score_other_task(
    hub: HubTask,
    name: RetrieverName,
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    asked: OtherRequest,
) -> OtherScore:
    """Have mteb score a dense model on a task that is not retrieval (clustering, reranking).

    The result is kept in mteb's format only.

    Raises:
        MedsearchError: if the retriever is BM25 or a hybrid, which have no vectors of their own.
        ModelUnavailableError: if the model's weights are not on this machine.
    """
    [spec, *more] = name.models
    kind = str(hub.task.metadata.type)
    if more or spec.kind is not ModelKind.DENSE:
        raise MedsearchError(f"{hub.corpus}: {kind} needs one dense model; {name.name} is none")
    from medsearch.evaluation.mteb_models import MtebEncoder, model_meta
    from medsearch.evaluation.mteb_results import evaluate_with_mteb, has_result, result_file

    told = told_of(name, retriever_conditions(name, registry))
    meta = model_meta(name.name, name.models, told)
    kept = not asked.again and has_result(asked.folder, hub.task, meta)
    if not kept:
        asked.before()
    encoder = MtebEncoder(load_encoder(spec, cache=settings.cache), meta)
    result = evaluate_with_mteb(hub.task, encoder, keep_in=asked.folder, again=asked.again)
    measure = hub.task.metadata.main_score
    file = result_file(asked.folder, result.task_name, meta)
    return OtherScore(hub.corpus, hub.split, name.name, measure, result.get_score(), file, kept)
