"""Runs a suite: every retriever on every task, each result kept as soon as it is there, none made twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_judgements
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, UsageError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.keep import keep, result_stem, single
from medsearch.evaluation.provenance import SelectionTask
from medsearch.evaluation.results import TaskResult, read_result_file, results_of
from medsearch.evaluation.selection_leak import check_selection
from medsearch.protocols import Progress
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.conditions import qrels_hash
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelSpec, PassageSettings
from medsearch.workbench.looks import note_look
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
class _Asked:
    """One retriever on one task, with the marks that its score must carry."""

    bench: Bench
    task: SuiteTask
    name: RetrieverName
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite on this machine: where its corpora lie, and what must be said of scores."""

    request: SuiteRequest
    settings: Settings
    registry: Mapping[str, ModelSpec]
    locations: Mapping[SuiteTask, CorpusLocation]
    marks: Mapping[tuple[SuiteTask, str], tuple[str, ...]]

    def results(self, progress: Progress) -> list[TaskResult]:
        """Every retriever on every task; what `out` has under the same conditions is not made again.

        Raises:
            ModelUnavailableError: a model's weights are not on this machine.
        """
        done: list[TaskResult] = []
        total = len(self.locations) * len(self.request.retrievers)
        for task in self.locations:
            bench = self._open(task, progress)
            for name in self.request.retrievers:
                progress.say(f"[{len(done) + 1} of {total}] {task.name} with {name.name}")
                asked = _Asked(bench, task, name, self.marks[task, name.name])
                done.append(self._kept(asked, progress) or self._made(asked, progress))
        return done

    def _open(self, task: SuiteTask, progress: Progress) -> Bench:
        asked = self.request
        request = BenchmarkRequest(
            location=self.locations[task],
            split=task.split,
            retrievers=asked.retrievers,
            passages=asked.passages,
            approximate=asked.approximate,
            ignore_identical_ids=asked.ignore_identical_ids,
            trec_files=asked.out is not None,
        )
        return open_bench(request, self.settings, self.registry, progress)

    def _kept(self, asked: _Asked, progress: Progress) -> TaskResult | None:
        """The result that `out` has of the same conditions and marks, if it is not to be made again."""
        if self.request.again or self.request.out is None:
            return None
        conditions = json.loads(json.dumps(asked.bench.conditions(asked.name)))
        stem = result_stem(asked.task.corpus, asked.task.split, asked.name.name)
        for file in sorted(self.request.out.glob(f"{stem}*.json")):
            for result in read_result_file(file):
                same = result.retriever == asked.name.name and result.settings == conditions
                if same and set(result.marks) == {*asked.bench.marks(asked.name), *asked.marks}:
                    progress.say(f"kept from {result.created}")
                    return result
        return None

    def _made(self, asked: _Asked, progress: Progress) -> TaskResult:
        evaluation = asked.bench.score(asked.name, progress)
        note_look(asked.task, asked.name, self.request.suite, len(evaluation.scores), self.settings)
        record = self._record(asked, evaluation)
        if self.request.out is None:
            [result] = results_of(json.loads(json.dumps(record)), Path())
        else:
            [file] = keep(record, [evaluation], self.request.out)
            [result] = read_result_file(file)
        return result

    def _record(self, asked: _Asked, evaluation: Evaluation) -> dict[str, Any]:
        record = single(asked.bench.record([evaluation], [asked.name]), asked.name.name)
        marks = [*asked.bench.marks(asked.name), *asked.marks]
        return {**record, "marks": {asked.name.name: marks}}


def open_suite(request: SuiteRequest, settings: Settings, registry: Mapping[str, ModelSpec]) -> SuiteRun:
    """Find every corpus and check every task before any work is done.

    Raises:
        UsageError: corpora are not on this machine, all of them named, or a split is missing.
        MedsearchError: a task took part in choosing a model, and `force` is not set.
    """
    locations = _locate(request.suite, settings)
    marks = {
        (task, name.name): _marks(_selection_task(task, location), name, request)
        for task, location in locations.items()
        for name in request.retrievers
    }
    return SuiteRun(request, settings, registry, locations, marks)


def _locate(suite: Suite, settings: Settings) -> dict[SuiteTask, CorpusLocation]:
    found: dict[SuiteTask, CorpusLocation] = {}
    missing: dict[str, str] = {}
    for task in suite.tasks:
        try:
            location = find_corpus(task.corpus, settings.data)
            found[SuiteTask(location.name, task.split)] = location
        except (UsageError, CorpusError) as error:
            missing[task.corpus] = str(error)
    if len(missing) == 1:
        raise UsageError(*missing.values())
    if missing:
        folders = ", ".join(str(folder) for folder in settings.data)
        raise UsageError(
            f"suite {suite.name}: {len(missing)} of its {len(suite.tasks)} corpora are not in {folders}: "
            f"{', '.join(missing)}; name their folder in MEDSEARCH_DATA"
        )
    return found


def _selection_task(task: SuiteTask, location: CorpusLocation) -> SelectionTask:
    judgements = read_judgements(location, task.split, Rejects())
    return SelectionTask(corpus=task.corpus, split=task.split, qrels_hash=qrels_hash(judgements))


def _marks(task: SelectionTask, name: RetrieverName, request: SuiteRequest) -> tuple[str, ...]:
    choosing = request.suite.role is SuiteRole.CHOOSE
    of_models = [check_selection(spec, task, choosing=choosing, force=request.force) for spec in name.models]
    return tuple(dict.fromkeys(mark for marks in of_models for mark in marks))
