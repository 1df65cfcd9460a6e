"""Notes a look at a test set in the ledger, for each evaluation of a task that a suite reports on."""

from __future__ import annotations

from datetime import UTC, datetime

from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.looks import Look, record_looks
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask, reported_tasks


def family_of(name: RetrieverName) -> str:
    """What a retriever's looks are counted under: its (dense) model's family."""
    spec = name.models[0]
    return spec.family or spec.name


def note_look(task: SuiteTask, name: RetrieverName, suite: Suite, queries: int, settings: Settings) -> None:
    """Add a line to the ledger if a suite reports on this task; a corpus that none names is not counted.

    Raises:
        MedsearchError: the ledger cannot be written.
    """
    reported = suite.role is SuiteRole.REPORT and suite.name != task.name
    if settings.looks is None or not (reported or task.name in reported_tasks()):
        return
    look = Look(
        when=datetime.now(UTC),
        task=task.name,
        retriever=name.name,
        family=family_of(name),
        revision=name.models[0].revision,
        suite=suite.name,
        git_revision=git_revision(),
        queries=queries,
    )
    record_looks(settings.looks, [look])
