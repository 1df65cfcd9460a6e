"""What two compared retrievers had in common, and what of their models differs: shown, never hidden.

A model's revision, length, pooling and prompts are its own and may differ. Between models of one family such
a difference is noted, since it and not the training may be what is seen; it is no reason to refuse, because
the length that a model was tuned for belongs to it as its weights do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Fairness:
    """What was checked: `equal` is field -> value (or task -> value), `shown` field -> values of A and B.

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
        shown=dict(_shown(*pairs[0])),
        notes=tuple(_notes(*pairs[0])),
        checked=all(is_known(result) for pair in pairs for result in pair),
    )


def _equal(pairs: Sequence[Pair]) -> Iterator[tuple[str, Any]]:
    """What was found equal: a task's own fields by task, all others once."""
    for field in (*OF_TASK, "documents", "queries"):
        yield field, {a.task: _of_task(a, field) for a, _ in pairs}
    a, b = pairs[0]
    for field in must_be_equal(a, b):
        if field not in OF_TASK:
            yield field, a.settings.get(field)


def _of_task(result: TaskResult, field: str) -> Any:
    own = {"documents": result.documents, "queries": len(result.scores)}
    return own.get(field, result.settings.get(field))


def _shown(a: TaskResult, b: TaskResult) -> Iterator[tuple[str, tuple[Any, Any]]]:
    ours, theirs = main_model(a), main_model(b)
    for field in MODEL_FIELDS:
        yield field, (ours.get(field), theirs.get(field))
    for field in ("fusion", *OF_ENCODING):
        if field not in must_be_equal(a, b):
            yield field, (a.settings.get(field), b.settings.get(field))
    yield "git_revision", (a.git_revision, b.git_revision)


def _notes(a: TaskResult, b: TaskResult) -> Iterator[str]:
    ours, theirs = main_model(a), main_model(b)
    if ours and theirs and family_of(ours) == family_of(theirs) and ours.get("name") != theirs.get("name"):
        for field in NOTED:
            if ours.get(field) != theirs.get(field):
                values = f"{short_value(ours.get(field))}, {short_value(theirs.get(field))}"
                yield (
                    f"both are of the family {family_of(ours)} but differ in {field} ({values}): a part of "
                    "the difference may come from that"
                )
    if a.git_revision != b.git_revision:
        revisions = f"{short_value(a.git_revision)}, {short_value(b.git_revision)}"
        yield (
            f"made by different revisions of medsearch ({revisions}): evaluate both again if what changed "
            "between them could change scores"
        )
