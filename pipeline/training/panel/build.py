"""The dev panel: a slice of each dev task, small enough to score every candidate on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import UsageError
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.workbench.looks import reported_as
from medsearch.workbench.selection import selection_tasks
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask, load_suite
from pipeline.training.panel.documents import PanelSource, panel_slice
from pipeline.training.panel.file import KeptTask, keep_task, kept_task
from pipeline.training.panel.late import score_panel_late
from pipeline.training.panel.scores import score_panel
from pipeline.training.panel.task import PanelTask
from pipeline.training.recipe import SelectTable

__all__ = ["PanelTask", "build_panel", "choosing_suite", "score_panel", "score_panel_late"]


def build_panel(
    table: SelectTable, base: str, settings: Settings, progress: Progress, *, keep: Path | None = None
) -> tuple[PanelTask, ...]:
    """The panel of a recipe: the same for all models of one base; no trained model is needed.

    Of each task at most `table.queries` queries that have a right answer; as documents all that are judged
    for these, the best `table.distractors` for each of every search in `table.distractors_from`, and
    `table.random_documents` more; the whole corpus where that is smaller. With `keep`, tasks are written to
    that folder as they are made, and read from there where they were made of the same corpus and settings.

    Raises:
        UsageError: the suite is not one to choose on, or has a test that is reported on, or a task of the
            hub; or a corpus is missing.
        CorpusError: a corpus cannot be read.
        ModelUnavailableError: the base is searched with and its weights are not on this machine.
    """
    suite = choosing_suite(table.suite, settings)
    registry = load_registry(settings.models, cache=settings.cache)
    source = PanelSource(table, find_model(base, registry), registry, settings, progress)
    tasks = []
    for task in suite.tasks:
        plan = source.plan(task)
        kept = kept_task(keep, task.name, plan) if keep is not None else None
        if kept is None:
            kept = panel_slice(source, task)
            if keep is not None:
                keep_task(keep, kept, plan)
        tasks.append(_panel_task(kept))
    queries, documents = (sum(len(each) for each in _sides(tasks, side)) for side in ("queries", "documents"))
    progress.say(f"dev panel: {len(tasks)} tasks, {queries:,} queries, {documents:,} documents")
    return tuple(tasks)


def choosing_suite(name: str, settings: Settings) -> Suite:
    """The suite of a name, which must be one to choose on.

    Raises:
        UsageError: it is one to report on, or one of its tasks is reported on or is a task of the hub.
    """
    suite = load_suite(name)
    if suite.role is not SuiteRole.CHOOSE:
        raise UsageError(
            f'suite {name} is one to report on: choose on a suite of role "choose", never on a test'
        )
    for task in suite.tasks:
        if task.hub_task is not None:
            raise UsageError(
                f"suite {name}: {task.name} is a task of the hub: a dev panel needs local corpora"
            )
        _refuse_reported(name, task, "", settings)
    for task, known in zip(suite.tasks, selection_tasks(suite, settings), strict=True):
        _refuse_reported(name, task, known.qrels_hash, settings)
    return suite


def _refuse_reported(suite: str, task: SuiteTask, judgements: str, settings: Settings) -> None:
    """A test is known by its name, or by the hash of its judgements, so that a copy is found too."""
    reported = reported_as(task, judgements, settings)
    if reported is not None:
        raise UsageError(
            f"suite {suite}: {task.name} is a test that is reported on ({reported}): leave it out"
        )


def _panel_task(kept: KeptTask) -> PanelTask:
    return PanelTask(kept.name, kept.queries, kept.documents, kept.qrels, kept.ignore_identical_ids)


def _sides(tasks: Sequence[PanelTask], side: str) -> list[Mapping[str, str]]:
    return [task.queries if side == "queries" else task.documents for task in tasks]
