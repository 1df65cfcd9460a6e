"""Refuses to call a test what took part in choosing the model."""

from __future__ import annotations

from dataclasses import asdict

from medsearch.errors import MedsearchError
from medsearch.evaluation.lineage import base_of, chosen_on, nearest, own_models, provenances_of
from medsearch.evaluation.provenance import PROVENANCE, Provenance, SelectionTask, trained_folder
from medsearch.types import ModelSpec

FORCED = "forced: took part in choosing this model"
CHOSEN_ON = "used to choose this model"
NO_PROVENANCE = "no provenance"


def selection_leak(provenance: Provenance, task: SelectionTask, *, who: str = "it") -> str | None:
    """Why this task is no test of the model: it was chosen on it, or on the same judgements; else `None`.

    What its base was chosen on counts as what it was chosen on itself; `who` the provenance speaks of.
    Judgements are compared by hash, so that a renamed or copied corpus is found too. A task that asks mostly
    what others asked which the model was chosen on is no test of it either.
    """
    for chosen, used in chosen_on(provenance, who):
        if (used.corpus, used.split) == (task.corpus, task.split):
            return f"{chosen} was chosen on {used.name}"
        if task.qrels_hash and used.qrels_hash == task.qrels_hash:
            return f"{chosen} was chosen on {used.name}, which has the same judgements"
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
    no provenance, or whose base is one's own and has none, is marked, since nobody can say what it was
    chosen on.

    Raises:
        MedsearchError: the task took part in choosing the model, and neither `choosing` nor `force` is set;
            or the provenance is of other weights.
    """
    found = provenances_of(asdict(spec))
    unknown = (NO_PROVENANCE,) if None in found else ()
    provenance = nearest(found)
    if provenance is None:
        return unknown
    reason = selection_leak(provenance, task, who="it" if found[0] else base_of(provenance))
    if reason is None:
        mark = shared_mark(provenance, task)
        return unknown if mark is None else (*unknown, mark)
    if choosing:
        return (*unknown, CHOSEN_ON)
    if not force:
        folder = trained_folder(str(own_models(asdict(spec))[found.index(provenance)]["source"]))
        raise MedsearchError(
            f"{task.name} is no test of {spec.name}: {reason} ({folder}/{PROVENANCE}); "
            "evaluate it on other tasks, or add --force and every table will say so"
        )
    return (*unknown, FORCED)


def _shared(provenance: Provenance, task: SelectionTask) -> int:
    """How many of the task's queries were asked, in the same words, where the model was chosen."""
    used = {key for _, one in chosen_on(provenance) for key in one.query_keys}
    return sum(key in used for key in task.query_keys)
