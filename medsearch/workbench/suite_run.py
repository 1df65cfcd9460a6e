"""Runs a suite: every retriever on every task, each result kept as soon as it is there, none made twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_judgements
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, MedsearchError, UsageError
from medsearch.evaluation.keep import ready_folder
from medsearch.evaluation.provenance import SelectionTask, trained_folder
from medsearch.evaluation.results import TaskResult
from medsearch.protocols import Progress
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.conditions import qrels_hash
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec, PassageSettings
from medsearch.workbench.hub.bench import open_hub_bench
from medsearch.workbench.hub.other import OtherRequest, score_other_task
from medsearch.workbench.hub.tasks import HubTask, has_mteb, load_hub_task
from medsearch.workbench.looks import note_look, reported_as
from medsearch.workbench.selection import marks_of, selection_task, selection_task_of
from medsearch.workbench.suite_results import MTEB, Keeping, OneResult
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask


@dataclass(frozen=True, slots=True)
class SuiteRequest:
    """What to run, and where results go (`None`: nowhere).

    `force` evaluates also on test splits that took part in choosing a model, and marks it; `again` evaluates
    what is kept already; `cost` measures speed and memory too. The rest is as in `BenchmarkRequest`.
    """

    suite: Suite
    retrievers: tuple[RetrieverName, ...]
    out: Path | None
    force: bool = False
    again: bool = False
    cost: bool = True
    passages: PassageSettings | None = None
    approximate: bool = False
    ignore_identical_ids: bool = False


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite on this machine: where its corpora lie (`None`: on the hub), and what to say of scores."""

    request: SuiteRequest
    settings: Settings
    registry: Mapping[str, ModelSpec]
    tasks: Mapping[SuiteTask, CorpusLocation | None]
    marks: Mapping[tuple[SuiteTask, str], tuple[str, ...]]

    def results(self, progress: Progress) -> list[TaskResult]:
        """Every retriever on every task; what `out` has under the same conditions is not made again.

        Tasks of the hub that are not retrieval have a score in mteb's format only, which `progress` hears; a
        suite of these alone has no results.

        Raises:
            ModelUnavailableError: a model's weights are not on this machine.
            CorpusError: a task of the hub cannot be had.
            MedsearchError: a task of the hub turns out to be one that a model was chosen on.
        """
        asked, done = self.request, list[TaskResult]()
        keeping = Keeping(asked.suite, asked.out, asked.again, asked.cost)
        total = len(self.tasks) * len(self.request.retrievers)
        for place, (task, location) in enumerate(self.tasks.items()):
            hub = load_hub_task(task.hub_task, task.split) if task.hub_task else None
            if hub is not None and not hub.retrieval:
                self._score_elsewhere(hub, task, progress)
                continue
            bench = self._open(task, hub, location, progress)
            marks = self._marks(task, None if hub is None else selection_task_of(bench.collection))
            for number, name in enumerate(self.request.retrievers, start=1):
                step = place * len(self.request.retrievers) + number
                progress.say(f"[{step} of {total}] {task.name} with {name.name}")
                one = OneResult(keeping, bench, task, name, marks[name.name], self.settings, self.registry)
                done.append(one.result(progress))
        return done

    def _marks(self, task: SuiteTask, loaded: SelectionTask | None) -> dict[str, tuple[str, ...]]:
        """Retriever -> marks; of a hub task they are known only when it is `loaded`."""
        names = self.request.retrievers
        if loaded is None:
            return {name.name: self.marks[task, name.name] for name in names}
        return {name.name: _marks(loaded, name, self.request, self.settings) for name in names}

    def _open(
        self, task: SuiteTask, hub: HubTask | None, location: CorpusLocation | None, progress: Progress
    ) -> Bench:
        asked = self.request
        if location is None:
            assert hub is not None
            return open_hub_bench(hub, self.settings, self.registry, progress)
        request = BenchmarkRequest(
            location=location,
            split=task.split,
            retrievers=asked.retrievers,
            passages=asked.passages,
            approximate=asked.approximate,
            ignore_identical_ids=asked.ignore_identical_ids,
            trec_files=asked.out is not None,
        )
        return open_bench(request, self.settings, self.registry, progress)

    def _score_elsewhere(self, hub: HubTask, task: SuiteTask, progress: Progress) -> None:
        for name in self.request.retrievers:
            if self.request.out is None or name.hybrid or name.models[0].kind is not ModelKind.DENSE:
                progress.say(f"{hub.corpus} is {hub.task.metadata.type}: {name.name} has no part in it")
                continue
            look = partial(note_look, task, name, self.request.suite, 0, self.settings)
            asked = OtherRequest(self.request.out / MTEB, self.request.again, before=look)
            found = score_other_task(hub, name, self.settings, self.registry, asked)
            marks = self.marks[task, name.name]
            said = f"{found.measure} {100 * found.score:.1f}{' (kept)' if found.kept else ''}"
            progress.say("; ".join([f"{hub.corpus} with {name.name}: {said}, in {found.file}", *marks]))


def open_suite(request: SuiteRequest, settings: Settings, registry: Mapping[str, ModelSpec]) -> SuiteRun:
    """Find every corpus, check every task and try the folder of results before any work is done.

    Raises:
        UsageError: corpora are not on this machine, all of them named, or two have one name, or a split is
            missing, or an option does not go with a task of the hub, or nothing can be written in `out`.
        MedsearchError: a task took part in choosing a model, and `force` is not set; or mteb is missing.
    """
    hub = [task for task in request.suite.tasks if task.hub_task]
    if hub and (request.passages is not None or request.approximate or request.ignore_identical_ids):
        raise UsageError(
            f"{hub[0].name} is run by mteb, on whole documents and exactly: leave out --passages, "
            "--approximate and --ignore-identical-ids"
        )
    if hub and not has_mteb():
        raise MedsearchError(f"{hub[0].name}: mteb is not installed: run `pip install 'medsearch[train]'`")
    tasks = _locate(request.suite, settings)
    known = {task: _known(task, location, request) for task, location in tasks.items()}
    marks = {
        (task, name.name): _marks(known[task], name, request, settings)
        for task in tasks
        for name in request.retrievers
    }
    if request.out is not None:
        ready_folder(request.out)
    return SuiteRun(request, settings, registry, tasks, marks)


def _locate(suite: Suite, settings: Settings) -> dict[SuiteTask, CorpusLocation | None]:
    found: dict[SuiteTask, CorpusLocation | None] = {}
    missing: dict[str, str] = {}
    for task in suite.tasks:
        if task.hub_task:
            found[task.canonical] = None
            continue
        try:
            location = find_corpus(task.corpus, settings.data)
        except (UsageError, CorpusError) as error:
            missing[task.corpus] = str(error)
        else:
            _check_one_place(suite, location, found.values())
            found[SuiteTask(location.name, task.split)] = location
    if len(missing) == 1:
        raise UsageError(*missing.values())
    if missing:
        folders = ", ".join(str(folder) for folder in settings.data)
        raise UsageError(
            f"suite {suite.name}: {len(missing)} of its {len(suite.tasks)} corpora are not in {folders}: "
            f"{', '.join(missing)}; name their folder in MEDSEARCH_DATA"
        )
    return found


def _check_one_place(suite: Suite, location: CorpusLocation, others: Iterable[CorpusLocation | None]) -> None:
    """Results are kept by a corpus's name, so that of two with one name the second would be lost."""
    for other in others:
        if other and other.name == location.name and other.path.resolve() != location.path.resolve():
            raise UsageError(
                f"suite {suite.name}: {other.path} and {location.path} are both called {location.name}, so "
                "their results would have one name: rename a folder, or put them into two suites"
            )


def _known(task: SuiteTask, location: CorpusLocation | None, request: SuiteRequest) -> SelectionTask:
    """What a task is known by; of a hub task only its name before it is loaded.

    Questions matter only for a trained model.
    """
    if location is None:
        return SelectionTask(corpus=task.corpus, split=task.split)
    if any(trained_folder(spec.source) for name in request.retrievers for spec in name.models):
        return selection_task(location, task.split)
    judged = qrels_hash(read_judgements(location, task.split, Rejects()))
    return SelectionTask(corpus=task.corpus, split=task.split, qrels_hash=judged)


def _marks(
    task: SelectionTask, name: RetrieverName, request: SuiteRequest, settings: Settings
) -> tuple[str, ...]:
    """To put a task that is reported on into a suite to choose on does not make it one to choose on."""
    choosing = request.suite.role is SuiteRole.CHOOSE and (
        reported_as(SuiteTask(task.corpus, task.split), task.qrels_hash, settings) is None
    )
    return marks_of(task, name, choosing=choosing, force=request.force)
