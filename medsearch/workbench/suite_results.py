"""One retriever on one task of a suite: the result that is kept already, or a new one, kept at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError
from medsearch.evaluation.keep import add_cost, keep, kept_evaluation, result_stem, set_marks, single
from medsearch.evaluation.lineage import provenances_of, summary_of
from medsearch.evaluation.provenance import OF_MODELS
from medsearch.evaluation.results import TaskResult, read_result_file, results_of
from medsearch.protocols import Progress
from medsearch.search.benchmark import Bench
from medsearch.search.conditions import same_conditions
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.efficiency import CostRequest, measure_cost
from medsearch.workbench.hub.bench import HubBench, complete_mteb, write_mteb_result
from medsearch.workbench.hub.tasks import has_mteb
from medsearch.workbench.looks import note_look
from medsearch.workbench.suites import Suite, SuiteTask

MTEB = "mteb"
"""The folder of results in mteb's format, inside a results folder."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where results go (`None`: nowhere), and what is made of those there; see `SuiteRequest`."""

    suite: Suite
    out: Path | None
    again: bool
    cost: bool


@dataclass(frozen=True, slots=True)
class OneResult:
    """One retriever on one task, with the marks that its score must carry."""

    keeping: Keeping
    bench: Bench
    task: SuiteTask
    name: RetrieverName
    marks: tuple[str, ...]
    settings: Settings
    registry: Mapping[str, ModelSpec]

    def result(self, progress: Progress) -> TaskResult:
        """What `out` has under the same conditions, else a new result.

        Raises:
            ModelUnavailableError: a model's weights are not on this machine.
            MedsearchError: the result cannot be kept, or the look not be noted.
        """
        return self._kept(progress) or self._made(progress)

    def _all_marks(self) -> tuple[str, ...]:
        return (*self.bench.marks(self.name), *self.marks)

    def _kept(self, progress: Progress) -> TaskResult | None:
        """Other marks than those kept are no reason to evaluate again: they are put in their place."""
        if self.keeping.again or self.keeping.out is None:
            return None
        conditions = self.bench.conditions(self.name)
        stem = result_stem(self.task.corpus, self.task.split, self.name.name)
        for file in sorted(self.keeping.out.glob(f"{escape(stem)}*.json")):
            for result in read_result_file(file):
                same = (result.task, result.retriever) == (self.task.name, self.name.name)
                if same and same_conditions(result.settings, conditions):
                    progress.say(f"kept from {result.created}")
                    if set(result.marks) != set(self._all_marks()):
                        set_marks(file, result.retriever, self._all_marks())
                    self._complete_mteb(file, progress)
                    return self._with_cost(file, progress)
        return None

    def _made(self, progress: Progress) -> TaskResult:
        """The look is noted and the result kept before its cost is measured, which may fail or be stopped."""
        evaluation = self.bench.score(self.name, progress)
        record = single(self.bench.record([evaluation], [self.name]), self.name.name)
        record["marks"] = {self.name.name: list(self._all_marks())}
        record["provenance"] = {self.name.name: self._provenance()}
        judgements = str(self.bench.shared["qrels_hash"])
        note_look(self.task, self.name, self.keeping.suite, len(evaluation.scores), self.settings, judgements)
        if self.keeping.out is None:
            cost = self._cost(progress) if self.keeping.cost else None
            record |= {"cost": {self.name.name: cost}} if cost else {}
            [result] = results_of(json.loads(json.dumps(record)), Path())
            return result
        [file] = keep(record, [evaluation], self.keeping.out)
        if isinstance(self.bench, HubBench):
            self.bench.save(self.name, self.keeping.out / MTEB)
        elif has_mteb():
            write_mteb_result(self.keeping.out / MTEB, self.bench, evaluation, self.name)
        return self._with_cost(file, progress)

    def _provenance(self) -> dict[str, Any]:
        """Of its trained model, as it is now: another may be trained into the folder later.

        With that of its base, where it is one's own too. Of a reranker, whose models may both be trained,
        also of each by its name.
        """
        found = {spec.name: summary_of(provenances_of(asdict(spec))) for spec in self.name.models}
        of_each = {name: summary for name, summary in found.items() if summary}
        first = next(iter(of_each.values()), {})
        return {**first, OF_MODELS: of_each} if of_each and self.name.first else first

    def _with_cost(self, file: Path, progress: Progress) -> TaskResult:
        [result] = read_result_file(file)
        if result.cost or not self.keeping.cost:
            return result
        cost = self._cost(progress)
        if cost is not None:
            add_cost(file, self.name.name, cost)
        [priced] = read_result_file(file)
        return priced

    def _cost(self, progress: Progress) -> dict[str, Any] | None:
        """`None` where it cannot be measured, which `progress` hears: the scores stand without it."""
        request = CostRequest(
            location=self.bench.request.location,
            retriever=self.name,
            passages=self.bench.request.passages,
            approximate=self.bench.request.approximate,
            again=self.keeping.again,
        )
        try:
            return measure_cost(request, self.settings, self.registry, progress)
        except (MedsearchError, OSError) as error:
            progress.say(f"warning: no cost of {self.name.name} on {self.task.name}: {error}")
            return None

    def _complete_mteb(self, file: Path, progress: Progress) -> None:
        """Mteb's result of a kept one, where it is missing: an earlier run was stopped, or had no mteb."""
        if self.keeping.out is None or not has_mteb():
            return
        folder, name = self.keeping.out / MTEB, self.name.name
        try:
            complete_mteb(folder, self.bench, self.name, lambda: kept_evaluation(file, name))
        except MedsearchError as error:
            progress.say(f"warning: no result in mteb's format of {name} on {self.task.name}: {error}")
