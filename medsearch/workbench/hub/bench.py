"""Runs tasks of the model hub through mteb, on our retrievers, with results like any other corpus's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsearch.corpora.catalogue import CorpusLocation
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.mteb_names import OWN_ENTRIES, entry_digest, is_there, task_name
from medsearch.evaluation.results import PRIMARY
from medsearch.protocols import Progress
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelSpec, Run
from medsearch.workbench.hub.corpora import write_collection
from medsearch.workbench.hub.tasks import HubTask

if TYPE_CHECKING:
    from mteb.results import TaskResult as MtebResult

_ROUNDING = 6e-6
"""mteb rounds its means to five places."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """What mteb made of a retriever, and what is odd about it."""

    result: MtebResult
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubBench(Bench):
    """A bench that `mteb.evaluate` runs: mteb asks, our retriever searches, and both score.

    Make one with `open_hub_bench`.
    """

    hub: HubTask | None = None
    _scored: dict[str, _Scored] = field(default_factory=dict)

    def score(self, name: RetrieverName, progress: Progress) -> Evaluation:
        """Have mteb evaluate this retriever; the evaluation is of the run that mteb was given."""
        from medsearch.evaluation.mteb_results import evaluate_with_mteb

        asked = _AskedByMteb(self, name, progress)
        result = evaluate_with_mteb(self._task.task, asked)
        assert asked.evaluation is not None
        self._scored[name.name] = _Scored(result, _disagreement(asked.evaluation, asked.queries, result))
        return asked.evaluation

    def record(self, evaluations: Sequence[Evaluation], names: Sequence[RetrieverName]) -> dict[str, Any]:
        """The result record, with a warning where mteb's main score is not ours."""
        record = Bench.record(self, evaluations, names)
        scored = [self._scored[name.name] for name in names if name.name in self._scored]
        odd = [line for one in scored for line in one.warnings]
        return {**record, "warnings": [*record["warnings"], *odd]}

    def save(self, name: RetrieverName, folder: Path) -> Path:
        """Keep mteb's own result of a retriever that was scored; see `evaluation.mteb_results`."""
        from medsearch.evaluation.mteb_models import model_meta
        from medsearch.evaluation.mteb_results import save_result

        meta = model_meta(name.name, name.models, told_of(name, self.conditions(name)))
        return save_result(folder, self._scored[name.name].result, meta)

    def replay(self, name: RetrieverName, run: Run) -> None:
        """Have mteb score a run that this retriever made before."""
        from medsearch.evaluation.mteb_models import Replay, model_meta
        from medsearch.evaluation.mteb_results import evaluate_with_mteb

        meta = model_meta(name.name, name.models, told_of(name, self.conditions(name)))
        self._scored[name.name] = _Scored(evaluate_with_mteb(self._task.task, Replay(run, meta)), ())

    @property
    def _task(self) -> HubTask:
        assert self.hub is not None
        return self.hub


class _AskedByMteb:
    """mteb's `SearchProtocol` over a bench."""

    def __init__(self, bench: Bench, name: RetrieverName, progress: Progress) -> None:
        from medsearch.evaluation.mteb_models import model_meta

        self.mteb_model_meta = model_meta(name.name, name.models, told_of(name, bench.conditions(name)))
        self.evaluation: Evaluation | None = None
        self.queries = 0
        self._bench, self._name, self._progress = bench, name, progress

    def index(self, *_: Any, **__: Any) -> None:
        """Encode and index the documents that are not yet."""
        for spec in self._name.models:
            self._bench.folder(spec, self._progress)

    def search(self, queries: Any, **_: Any) -> dict[str, dict[str, float]]:
        """What is found for each query; nothing for those judged to have nothing relevant: they score 0."""
        self.evaluation = Bench.score(self._bench, self._name, self._progress)
        self.queries = len(queries)
        run = self.evaluation.run
        return {str(query_id): dict(run.get(str(query_id), {})) for query_id in queries["id"]}


def hub_location(hub: HubTask, settings: Settings) -> CorpusLocation:
    """The data of a loaded retrieval task as a BEIR corpus in the cache, written there where it is not yet.

    Raises:
        UsageError: if it is no retrieval task; `other.score_other_task` is for those.
    """
    from medsearch.evaluation.mteb_tasks import collection_of

    if not hub.retrieval:
        raise UsageError(f"{hub.corpus} is a task of {hub.task.metadata.type}, not of retrieval")
    hub.task.load_data()  # mteb lets go of it after each evaluation
    collection = collection_of(hub.task, hub.corpus, hub.subset, hub.split)
    return write_collection(collection, hub.name, settings.cache)


def open_hub_bench(
    hub: HubTask, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> HubBench:
    """A bench on a loaded retrieval task: whole documents, compared exactly, as mteb does it.

    Raises:
        UsageError: if it is no retrieval task; `other.score_other_task` is for those.
        MedsearchError: if an id holds white space, which TREC files cannot carry.
    """
    request = BenchmarkRequest(
        location=hub_location(hub, settings),
        split=hub.split,
        retrievers=(),
        ignore_identical_ids=bool(getattr(hub.task, "ignore_identical_ids", False)),
        trec_files=True,
    )
    bench = open_bench(request, settings, registry, progress)
    source = {"dataset": hub.task.metadata.dataset["path"], "dataset_revision": hub.revision}
    return HubBench(
        request=request,
        collection=replace(bench.collection, name=hub.corpus),
        rejects=bench.rejects,
        shared={**bench.shared, **source, "mteb": version("mteb")},
        settings=settings,
        registry=registry,
        hub=hub,
    )


def _disagreement(evaluation: Evaluation, asked: int, result: MtebResult) -> tuple[str, ...]:
    """A line where mteb's main score is not ours, over the queries that mteb has (see `measures`)."""
    total = sum(scores[PRIMARY] for scores in evaluation.scores.values())
    ours, theirs = total / max(asked, 1), result.get_score()
    if abs(ours - theirs) <= _ROUNDING:
        return ()
    return (f"mteb's main score of {evaluation.retriever} is {theirs:.5f}, ours over its queries {ours:.5f}",)


def write_mteb_result(folder: Path, bench: Bench, evaluation: Evaluation, name: RetrieverName) -> Path:
    """Keep a result of a local corpus in mteb's format too; see `evaluation.mteb_results`.

    mteb scores the run that is there; nothing is searched again.
    """
    from medsearch.evaluation.mteb_results import write_local_result

    return write_local_result(
        folder,
        bench.collection,
        evaluation,
        specs=name.models,
        settings=told_of(name, bench.conditions(name)),
    )


def complete_mteb(
    folder: Path, bench: Bench, name: RetrieverName, again: Callable[[], Evaluation]
) -> Path | None:
    """Write mteb's result of what was evaluated before, where `folder` lacks it; the file, if it did.

    `again` reads the evaluation; it is asked only where it is needed, and nothing is searched again.
    """
    told = told_of(name, bench.conditions(name))
    hub = bench.hub if isinstance(bench, HubBench) else None
    task = hub.task.metadata.name if hub else task_name(bench.collection.name, bench.collection.split)
    if is_there(folder, task, name.name, name.models, told):
        return None
    evaluation = again()
    if not isinstance(bench, HubBench):
        return write_mteb_result(folder, bench, evaluation, name)
    bench.replay(name, evaluation.run)
    return bench.save(name, folder)


def told_of(name: RetrieverName, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions with the digests of models that medsearch does not come with.

    Such an entry or its weights may change while its name and revision stay, and mteb's results of it are
    kept by these.
    """
    bundled = load_registry()
    own = {spec.name: entry_digest(spec) for spec in name.models if spec.name not in bundled}
    return {**conditions, OWN_ENTRIES: own}
