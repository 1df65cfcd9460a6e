"""What two compared retrievers had in common, and what of their models differs: shown, never hidden.

A model's revision, length, pooling and prompts are its own and may differ. Between models of one family such
a difference is noted, since it and not the training may be what is seen; it is no reason to refuse, because
the length that a model was tuned for belongs to it as its weights do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from medsearch.evaluation.guards import (
    OF_ENCODING,
    OF_TASK,
    Allowed,
    Pair,
    check_pairs,
    is_known,
    must_be_equal,
    short_value,
)
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import MODEL_FIELDS, family_of, main_model

UNCHECKED = "fairness not checked"
"""The mark of a comparison that was forced though a result does not say how it was made."""

NOTED = ("pooling", "max_tokens", "query_prompt", "document_prompt")
"""Fields of a model that can make a difference within one family without any training."""

STORED_VECTORS = "stored_vectors"
"""Setting of a result that uses late interaction: model -> the type that its index keeps vectors in."""

_CHANGED = "+changes"


@dataclass(frozen=True, slots=True)
class Fairness:
    """What was checked: `equal` is field -> value (or task -> value), `shown` field -> values of A and B.

    Of a side whose value differs between tasks, `shown` has task -> value in its place.
    `checked` is false where a result does not say how it was made, and the user let that pass.
    """

    equal: Mapping[str, Any]
    shown: Mapping[str, tuple[Any, Any]]
    notes: tuple[str, ...]
    checked: bool


def fairness_of(pairs: Sequence[Pair], allowed: Allowed) -> Fairness:
    """Check all pairs, then say what was found; at least one pair.

    Raises:
        UnfairError: as `check_pairs`.
    """
    check_pairs(pairs, allowed)
    return Fairness(
        equal=dict(_equal(pairs)),
        shown=dict(_shown(pairs)),
        notes=tuple(dict.fromkeys([*_family_notes(pairs), *_revision_notes(pairs)])),
        checked=all(is_known(result) for pair in pairs for result in pair),
    )


def _equal(pairs: Sequence[Pair]) -> Iterator[tuple[str, Any]]:
    """What was found equal: a task's own fields by task, all others once."""
    for field in (*OF_TASK, "documents", "queries"):
        yield field, {a.task: _of_task(a, field) for a, _ in pairs}
    for field in _equal_everywhere(pairs):
        if field not in OF_TASK:
            yield field, _over_tasks({a.task: a.settings.get(field) for a, _ in pairs})


def _equal_everywhere(pairs: Sequence[Pair]) -> list[str]:
    """The settings that had to be equal on every task."""
    of_each = [must_be_equal(*pair) for pair in pairs]
    return [field for field in of_each[0] if all(field in fields for fields in of_each)]


def _of_task(result: TaskResult, field: str) -> Any:
    own = {"documents": result.documents, "queries": len(result.scores)}
    return own.get(field, result.settings.get(field))


def _over_tasks(values: Mapping[str, Any]) -> Any:
    """The one value of all tasks, or else task -> value."""
    first = next(iter(values.values()))
    return first if all(value == first for value in values.values()) else dict(values)


def _shown(pairs: Sequence[Pair]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for field in MODEL_FIELDS:
        yield field, _of_both(pairs, partial(_of_model, field=field))
    equal = _equal_everywhere(pairs)
    for field in ("fusion", "rerank", *OF_ENCODING):
        if field not in equal:
            yield field, _of_both(pairs, partial(_of_task, field=field))
    stored = _of_both(pairs, partial(_of_task, field=STORED_VECTORS))
    if any(stored):
        yield STORED_VECTORS, stored
    yield "git_revision", _of_both(pairs, attrgetter("git_revision"))


def _of_model(result: TaskResult, field: str) -> Any:
    return main_model(result).get(field)


def _of_both(pairs: Sequence[Pair], value_of: Callable[[TaskResult], Any]) -> tuple[Any, Any]:
    """A value of A and of B over all tasks."""
    ours, theirs = (_over_tasks({pair[side].task: value_of(pair[side]) for pair in pairs}) for side in (0, 1))
    return ours, theirs


def _family_notes(pairs: Sequence[Pair]) -> Iterator[str]:
    for a, b in pairs:
        ours, theirs = main_model(a), main_model(b)
        if (
            not (ours and theirs)
            or family_of(ours) != family_of(theirs)
            or ours.get("name") == theirs.get("name")
        ):
            continue
        for field in NOTED:
            if ours.get(field) != theirs.get(field):
                values = f"{short_value(ours.get(field))}, {short_value(theirs.get(field))}"
                yield (
                    f"both are of the family {family_of(ours)} but differ in {field} ({values}): a part of "
                    "the difference may come from that"
                )


def _revision_notes(pairs: Sequence[Pair]) -> Iterator[str]:
    """Notes on results that may be of different code: A beside B, and either over its tasks."""
    results = [result for pair in pairs for result in pair]
    if len({result.git_revision for result in results}) > 1:
        yield (
            f"made by different revisions of medsearch ({_revisions(pairs)}): evaluate both again if what "
            "changed between them could change scores"
        )
    changed = [result for result in results if result.git_revision.endswith(_CHANGED)]
    if len(changed) > 1:
        revisions = ", ".join(dict.fromkeys(_revision(result) for result in changed))
        yield (
            f"made by code that was changed and not committed ({revisions}): it may have been different code "
            "although the revision is the same; commit, and evaluate both again to be sure"
        )


def _revisions(pairs: Sequence[Pair]) -> str:
    """Those of A and of B; where a side has several, which made what."""
    if len({(a.git_revision, b.git_revision) for a, b in pairs}) == 1:
        return ", ".join(map(_revision, pairs[0]))
    made: dict[str, list[str]] = {}
    for letter, side in zip("AB", zip(*pairs, strict=True), strict=True):
        for result in side:
            made.setdefault(_revision(result), []).append(f"{letter} on {result.task}")
    return "; ".join(f"{revision}: {', '.join(what)}" for revision, what in made.items())


def _revision(result: TaskResult) -> str:
    commit, plus, changed = result.git_revision.partition("+")
    return f"{short_value(commit)}{plus}{changed}"
