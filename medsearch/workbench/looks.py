"""Notes a look at a test set in the ledger, for each evaluation of a task that a suite reports on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from medsearch.corpora.catalogue import find_corpus, read_judgements
from medsearch.corpora.rejects import Rejects
from medsearch.errors import MedsearchError
from medsearch.evaluation.evaluate import Evaluation, git_revision
from medsearch.evaluation.looks import Look, record_looks
from medsearch.evaluation.provenance import provenance_of
from medsearch.search.conditions import qrels_hash
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask, tasks_reported_on


def families_of(name: RetrieverName) -> dict[str, ModelSpec]:
    """What a retriever's looks are counted under: family -> model; of one that reranks there may be two."""
    trainable = [spec for spec in name.models if spec.kind is not ModelKind.SPARSE] or name.models[:1]
    return {_family_of(spec): spec for spec in reversed(trainable)}


def _family_of(spec: ModelSpec) -> str:
    """As its entry or its provenance says."""
    if spec.family:
        return spec.family
    provenance = provenance_of(spec)
    return spec.name if provenance is None else provenance.family


def reported_as(task: SuiteTask, judgements: str, settings: Settings) -> str | None:
    """The name under which a bundled suite reports on this task; `None` where none does.

    A task is known by its name or, where the suite's corpora are on this machine, by the hash of its
    judgements ("": not known), so that a copy under another name is found too.
    """
    reported = tasks_reported_on()
    if task.canonical in reported:
        return task.canonical.name
    for known in reported:
        if judgements and known.hub_task is None and _judgements_of(known, settings) == judgements:
            return known.name
    return None


def note_look(
    task: SuiteTask,
    name: RetrieverName,
    suite: Suite,
    queries: int,
    settings: Settings,
    judgements: str = "",
) -> None:
    """Add a line to the ledger if a suite reports on this task; a corpus that none names is not counted.

    A reranker whose models are of two families is a look by either. `judgements` is their hash, by which a
    copy of a reported task is known.

    Raises:
        MedsearchError: the ledger cannot be written.
    """
    if settings.looks is None:
        return
    reported = reported_as(task, judgements, settings)
    if reported is None and (suite.role is not SuiteRole.REPORT or suite.name == task.name):
        return
    looks = [
        Look(
            when=datetime.now(UTC),
            task=reported or task.name,
            retriever=name.name,
            family=family,
            revision=spec.revision,
            suite=suite.name,
            git_revision=git_revision(),
            queries=queries,
            qrels_hash=judgements,
        )
        for family, spec in families_of(name).items()
    ]
    record_looks(settings.looks, looks)


def note_run_look(record: Mapping[str, Any], evaluation: Evaluation, settings: Settings) -> None:
    """The same for a run file that was scored on a task which a suite reports on; its family is its name.

    Raises:
        MedsearchError: the ledger cannot be written.
    """
    task = SuiteTask(record["corpus"], record["split"])
    judgements = qrels_hash(evaluation.qrels)
    reported = reported_as(task, judgements, settings)
    if settings.looks is None or reported is None:
        return
    look = Look(
        when=datetime.now(UTC),
        task=reported,
        retriever=evaluation.retriever,
        family=evaluation.retriever,
        revision="",
        suite=task.name,
        git_revision=git_revision(),
        queries=len(evaluation.scores),
        qrels_hash=judgements,
    )
    record_looks(settings.looks, [look])


def _judgements_of(task: SuiteTask, settings: Settings) -> str | None:
    """The hash of a reported task's judgements; `None` where they cannot be had here."""
    try:
        return qrels_hash(read_judgements(find_corpus(task.corpus, settings.data), task.split, Rejects()))
    except (MedsearchError, OSError):
        return None
