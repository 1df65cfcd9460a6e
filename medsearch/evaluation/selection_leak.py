"""Refuses to call a test what took part in choosing the model."""

from __future__ import annotations

from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import (
    PROVENANCE,
    Provenance,
    SelectionTask,
    provenance_of,
    trained_folder,
)
from medsearch.types import ModelSpec

FORCED = "forced: took part in choosing this model"
CHOSEN_ON = "used to choose this model"
NO_PROVENANCE = "no provenance"


def selection_leak(provenance: Provenance, task: SelectionTask) -> str | None:
    """Why this task is no test of the model: it was chosen on it, or on the same judgements; else `None`.

    Judgements are compared by hash, so that a renamed or copied corpus is found too. A task that asks mostly
    what others asked which the model was chosen on is no test of it either.
    """
    for used in provenance.selection.tasks:
        if (used.corpus, used.split) == (task.corpus, task.split):
            return f"it was chosen on {used.name}"
        if task.qrels_hash and used.qrels_hash == task.qrels_hash:
            return f"it was chosen on {used.name}, which has the same judgements"
    asked, shared = len(task.query_keys), _shared(provenance, task)
    if 2 * shared > asked:
        return f"{shared:,} of its {asked:,} questions are also in what it was chosen on"
    return None


def shared_mark(provenance: Provenance, task: SelectionTask) -> str | None:
    """What must be said of a task that shares questions with those the model was chosen on; else `None`."""
    shared = _shared(provenance, task)
    if not shared:
        return None
    return f"{shared:,} of {len(task.query_keys):,} questions also in what it was chosen on"


def check_selection(spec: ModelSpec, task: SelectionTask, *, choosing: bool, force: bool) -> tuple[str, ...]:
    """The marks that a score of this model on this task must carry.

    With `choosing` the suite is one to choose on: nothing is refused there. A model of one's own that has
    no provenance is marked, since nobody can say what it was chosen on.

    Raises:
        MedsearchError: the task took part in choosing the model, and neither `choosing` nor `force` is set;
            or the provenance is of other weights.
    """
    folder = trained_folder(spec.source)
    if folder is None:
        return ()
    provenance = provenance_of(spec)
    if provenance is None:
        return (NO_PROVENANCE,)
    reason = selection_leak(provenance, task)
    if reason is None:
        mark = shared_mark(provenance, task)
        return () if mark is None else (mark,)
    if choosing:
        return (CHOSEN_ON,)
    if not force:
        raise MedsearchError(
            f"{task.name} is no test of {spec.name}: {reason} ({folder / PROVENANCE}); "
            "evaluate it on other tasks, or add --force and every table will say so"
        )
    return (FORCED,)


def _shared(provenance: Provenance, task: SelectionTask) -> int:
    """How many of the task's queries were asked, in the same words, where the model was chosen."""
    used = {key for one in provenance.selection.tasks for key in one.query_keys}
    return sum(key in used for key in task.query_keys)
