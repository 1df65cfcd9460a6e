"""Runs a suite: every retriever on every task, each result kept as soon as it is there, none made twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_judgements
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, MedsearchError, UsageError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.keep import add_cost, keep, result_stem, single
from medsearch.evaluation.provenance import SelectionTask
from medsearch.evaluation.results import TaskResult, read_result_file, results_of
from medsearch.evaluation.selection_leak import check_selection
from medsearch.protocols import Progress
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.conditions import qrels_hash
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec, PassageSettings
from medsearch.workbench.efficiency import CostRequest, measure_cost
from medsearch.workbench.hub.bench import HubBench, open_hub_bench, score_other_task, write_mteb_result
from medsearch.workbench.hub.tasks import HubTask, has_mteb, load_hub_task
from medsearch.workbench.looks import note_look
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask

MTEB = "mteb"
"""The folder of results in mteb's format, inside a results folder."""


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
class _Asked:
    """One retriever on one task, with the marks that its score must carry."""

    bench: Bench
    task: SuiteTask
    name: RetrieverName
    marks: tuple[str, ...]


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

        Tasks of the hub that are not retrieval have a score in mteb's format only, which `progress` hears.

        Raises:
            ModelUnavailableError: a model's weights are not on this machine.
            CorpusError: a task of the hub cannot be had.
        """
        done: list[TaskResult] = []
        total = len(self.tasks) * len(self.request.retrievers)
        for place, (task, location) in enumerate(self.tasks.items()):
            hub = load_hub_task(task.hub_task, task.split) if task.hub_task else None
            if hub is not None and not hub.retrieval:
                self._score_elsewhere(hub, progress)
                continue
            bench = self._open(task, hub, location, progress)
            for number, name in enumerate(self.request.retrievers, start=1):
                step = place * len(self.request.retrievers) + number
                progress.say(f"[{step} of {total}] {task.name} with {name.name}")
                asked = _Asked(bench, task, name, self.marks[task, name.name])
                done.append(self._kept(asked, progress) or self._made(asked, progress))
        return done

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

    def _score_elsewhere(self, hub: HubTask, progress: Progress) -> None:
        for name in self.request.retrievers:
            if self.request.out is None or name.hybrid or name.models[0].kind is not ModelKind.DENSE:
                progress.say(f"{hub.corpus} is {hub.task.metadata.type}: {name.name} has no part in it")
                continue
            folder = self.request.out / MTEB
            found = score_other_task(hub, name, self.settings, self.registry, folder)
            progress.say(
                f"{hub.corpus} with {name.name}: {found.measure} {100 * found.score:.1f}, in {found.file}"
            )

    def _kept(self, asked: _Asked, progress: Progress) -> TaskResult | None:
        """The result that `out` has of the same conditions and marks, if it is not to be made again."""
        if self.request.again or self.request.out is None:
            return None
        conditions = json.loads(json.dumps(asked.bench.conditions(asked.name)))
        stem = result_stem(asked.task.corpus, asked.task.split, asked.name.name)
        for file in sorted(self.request.out.glob(f"{escape(stem)}*.json")):
            for result in read_result_file(file):
                same = result.retriever == asked.name.name and result.settings == conditions
                if same and set(result.marks) == {*asked.bench.marks(asked.name), *asked.marks}:
                    progress.say(f"kept from {result.created}")
                    return self._with_cost(result, asked, progress)
        return None

    def _with_cost(self, result: TaskResult, asked: _Asked, progress: Progress) -> TaskResult:
        if result.cost or not self.request.cost:
            return result
        add_cost(result.file, result.retriever, self._cost(asked, progress))
        [priced] = read_result_file(result.file)
        return priced

    def _made(self, asked: _Asked, progress: Progress) -> TaskResult:
        evaluation = asked.bench.score(asked.name, progress)
        note_look(asked.task, asked.name, self.request.suite, len(evaluation.scores), self.settings)
        record = self._record(asked, evaluation, progress)
        if self.request.out is None:
            [result] = results_of(json.loads(json.dumps(record)), Path())
        else:
            [file] = keep(record, [evaluation], self.request.out)
            [result] = read_result_file(file)
            _keep_for_mteb(asked, evaluation, self.request.out / MTEB)
        return result

    def _record(self, asked: _Asked, evaluation: Evaluation, progress: Progress) -> dict[str, Any]:
        name = asked.name.name
        record = single(asked.bench.record([evaluation], [asked.name]), name)
        record["marks"] = {name: [*asked.bench.marks(asked.name), *asked.marks]}
        if self.request.cost:
            record["cost"] = {name: self._cost(asked, progress)}
        return record

    def _cost(self, asked: _Asked, progress: Progress) -> dict[str, Any]:
        request = CostRequest(
            location=asked.bench.request.location,
            retriever=asked.name,
            passages=self.request.passages,
            approximate=self.request.approximate,
            again=self.request.again,
        )
        return measure_cost(request, self.settings, self.registry, progress)


def open_suite(request: SuiteRequest, settings: Settings, registry: Mapping[str, ModelSpec]) -> SuiteRun:
    """Find every corpus and check every task before any work is done.

    Raises:
        UsageError: corpora are not on this machine, all of them named, or a split is missing, or an option
            does not go with a task of the hub.
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
    marks = {
        (task, name.name): _marks(_selection_task(task, location), name, request)
        for task, location in tasks.items()
        for name in request.retrievers
    }
    return SuiteRun(request, settings, registry, tasks, marks)


def _locate(suite: Suite, settings: Settings) -> dict[SuiteTask, CorpusLocation | None]:
    found: dict[SuiteTask, CorpusLocation | None] = {}
    missing: dict[str, str] = {}
    for task in suite.tasks:
        if task.hub_task:
            found[task] = None
            continue
        try:
            location = find_corpus(task.corpus, settings.data)
        except (UsageError, CorpusError) as error:
            missing[task.corpus] = str(error)
        else:
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


def _selection_task(task: SuiteTask, location: CorpusLocation | None) -> SelectionTask:
    """The task with the hash of its judgements; of a hub task they are not known before it is loaded."""
    judged = "" if location is None else qrels_hash(read_judgements(location, task.split, Rejects()))
    return SelectionTask(corpus=task.corpus, split=task.split, qrels_hash=judged)


def _keep_for_mteb(asked: _Asked, evaluation: Evaluation, folder: Path) -> None:
    """The same result in mteb's format, where mteb is installed."""
    if isinstance(asked.bench, HubBench):
        asked.bench.save(asked.name, folder)
    elif has_mteb():
        write_mteb_result(folder, asked.bench, evaluation, asked.name)


def _marks(task: SelectionTask, name: RetrieverName, request: SuiteRequest) -> tuple[str, ...]:
    choosing = request.suite.role is SuiteRole.CHOOSE
    of_models = [check_selection(spec, task, choosing=choosing, force=request.force) for spec in name.models]
    return tuple(dict.fromkeys(mark for marks in of_models for mark in marks))
