"""What must be equal before the difference of two results may be called the models'.

Per task, A and B must have searched the same documents for the same queries by the same judgements, cut,
encoded and searched alike, and neither may lack the query prompt that its entry declares, or any entry of the
same weights. Over its tasks, a retriever must be one and the same. What belongs to a model (its revision,
length, pooling, prompts) may differ: see `fairness`, which shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medsearch.errors import MedsearchError
from medsearch.evaluation.completeness import Lack, first_lack, impossible_score
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import (
    PromptLeftOut,
    Spec,
    declared_models,
    is_dense,
    models_of,
    prompt_left_out,
)
from medsearch.types import ModelSpec

OF_TASK = ("corpus_hash", "queries_hash", "qrels_hash", "ignore_identical_ids")
"""Settings that are a task's own."""

OF_RUN = ("passages", "search", "depth", "engine")
"""Settings that must be equal between A and B, and over all tasks of either."""

OF_ENCODING = ("backend", "dtype")
"""Must be equal where both use a model that gives vectors: BM25 has neither."""

OF_RERANKING = ("method", "depth")
"""Must be equal where both rerank; with what and over what they do is what is compared."""

_OF_NO_SCORE = frozenset({"licence", "family", "size"})
"""What a registry entry may say today and did not yesterday, of the same model."""

_MISSING = object()
_LONGEST = 60

Pair = tuple[TaskResult, TaskResult]


class UnfairError(MedsearchError):
    """Two results may not be compared; the message names the field."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the user allowed: results that do not say how they were made, and prompts left out on purpose.

    `no_prompt` names the retrievers that say by their name that they were run without. `registry` are the
    entries of today, so that a prompt is missed under whatever name the weights were run.
    """

    unchecked: bool = False
    no_prompt: frozenset[str] = frozenset()
    registry: tuple[ModelSpec, ...] = ()


def check_pairs(pairs: Sequence[Pair], allowed: Allowed) -> None:
    """Check A against B on every task, and each against itself over the tasks.

    Raises:
        UnfairError: naming task, retriever and the first field for which they cannot be compared.
    """
    entries = [asdict(spec) for spec in allowed.registry]
    for pair in pairs:
        known = [*entries, *(spec for result in pair for spec in declared_models(result))]
        for result in pair:
            check_scores(result)
            _check_known(result, allowed)
            _check_prompt(result, allowed, known)
        _check_pair(*pair, allowed)
    for side in zip(*pairs, strict=True):
        _check_same_retriever(side, allowed)


def one_result(results: Sequence[TaskResult]) -> TaskResult:
    """The one result of a retriever on a task; equal copies are one.

    Raises:
        UnfairError: there are several, of different settings or scores; the message names field and files.
    """
    first, *others = results
    for other in others:
        for field, old, new in _differences(_all_settings(first), _all_settings(other)):
            raise _several(first, other, f"that differ in {field} ({short_value(old)}, {short_value(new)})")
        if other.scores != first.scores:
            raise _several(first, other, "whose scores differ although their settings do not")
    return first


def _several(first: TaskResult, other: TaskResult, how: str) -> UnfairError:
    return UnfairError(
        f"{first.task}: {first.retriever} has two results {how}: {first.file.name} and {other.file.name} in "
        f"{first.file.parent}; keep one of them"
    )


def is_known(result: TaskResult) -> bool:
    """Whether a result says all that has to be known of how it was made."""
    return first_lack(result) is None


def check_scores(result: TaskResult) -> None:
    """Make sure that every score can be one.

    Raises:
        UnfairError: one is not a number from 0 to 1; the message names file, query and measure.
    """
    found = impossible_score(result)
    if found is not None:
        query_id, measure, score = found
        raise UnfairError(
            f"{result.task}: the result of {result.retriever} gives query {short_value(query_id)} a "
            f"{measure} of {score:g}, which is not a number from 0 to 1 ({result.file}): evaluate it again"
        )


def _check_known(result: TaskResult, allowed: Allowed) -> None:
    lack = first_lack(result)
    if allowed.unchecked or lack is None:
        return
    raise UnfairError(
        f"{result.task}: the result of {result.retriever} {_said(lack, result)}, so fairness cannot be "
        "checked: evaluate the model itself, or add --unchecked"
    )


def _said(lack: Lack, result: TaskResult) -> str:
    if not lack.absent:
        return f"says {lack.field} as {short_value(lack.value)}, which is not {lack.due} ({result.file})"
    why = "it was made from a run file" if "run" in result.settings else "it is of an older medsearch"
    return f"does not say {lack.field} ({why}: {result.file})"


def _check_prompt(result: TaskResult, allowed: Allowed, known: Sequence[Spec]) -> None:
    left_out = prompt_left_out(result, known)
    if left_out is None or result.retriever in allowed.no_prompt:
        return
    instead = f"behind {short_value(left_out.used)} and not " if left_out.used else "without "
    again, whose = _under_its_prompt(result, left_out)
    raise UnfairError(
        f"{result.task}: {left_out.model} was run {instead}its query prompt "
        f"{short_value(left_out.declared)} (query_prompt{whose}): run `medsearch evaluate {result.corpus} "
        f"--split {result.split} --models {again} --out {result.file.parent}` and compare {again}; "
        "--with-and-without-prompt shows what it is worth"
    )


def _under_its_prompt(result: TaskResult, left_out: PromptLeftOut) -> tuple[str, str]:
    """The retriever to run instead, and whose prompt it is where the entry has another name."""
    plain = result.retriever.partition("@")[0]  # without the @no-prompt it may have
    if left_out.entry == left_out.model:
        return plain, ""
    return plain.replace(left_out.model, left_out.entry), f" of {left_out.entry}, which is the same model"


def _check_pair(a: TaskResult, b: TaskResult, allowed: Allowed) -> None:
    for field, ours, theirs in _pair_differences(a, b):
        if allowed.unchecked and _MISSING in (ours, theirs):
            continue
        if field.startswith("query_prompt of ") and allowed.no_prompt & {a.retriever, b.retriever}:
            continue
        raise UnfairError(
            f"{a.task}: {a.retriever} and {b.retriever} differ in {field} ({short_value(ours)}, "
            f"{short_value(theirs)}), so their scores cannot be compared: evaluate both alike"
        )


def _pair_differences(a: TaskResult, b: TaskResult) -> Iterator[tuple[str, Any, Any]]:
    """(field, of A, of B) of all that must be equal on a task and is not."""
    for field in must_be_equal(a, b):
        ours, theirs = (result.settings.get(field, _MISSING) for result in (a, b))
        if ours != theirs:
            yield field, ours, theirs
    reranking = [_reranking(result, OF_RERANKING) for result in (a, b)]
    if all(reranking):
        yield from _differences(*reranking)
    if a.documents != b.documents:
        yield "documents", a.documents, b.documents
    if set(a.scores) != set(b.scores):
        odd = min(set(a.scores) ^ set(b.scores))
        yield f"queries (only one of them scored {short_value(odd)})", len(a.scores), len(b.scores)
    theirs_too = models_of(b)
    for name, spec in models_of(a).items():
        yield from _differences(_named(name, spec), _named(name, theirs_too.get(name, spec)))


def must_be_equal(a: TaskResult, b: TaskResult) -> tuple[str, ...]:
    """The settings that have to be equal between these two: which these are depends on what they use."""
    dense = all(any(is_dense(spec) for spec in models_of(result).values()) for result in (a, b))
    fused = all(result.settings.get("fusion") for result in (a, b))
    return (*OF_TASK, *OF_RUN, *(OF_ENCODING if dense else ()), *(("fusion",) if fused else ()))


def _check_same_retriever(results: Sequence[TaskResult], allowed: Allowed) -> None:
    """A mean over tasks is one retriever's only if it was the same on each."""
    first = results[0]
    wanted = _run_settings(first)
    for other in results[1:]:
        for field, old, new in _differences(wanted, _run_settings(other)):
            if allowed.unchecked and _MISSING in (old, new):
                continue
            raise UnfairError(
                f"{first.retriever} differs in {field} between {first.task} ({short_value(old)}) and "
                f"{other.task} ({short_value(new)}), so these are not results of one model: evaluate one of "
                "the tasks again"
            )


def _run_settings(result: TaskResult) -> dict[str, Any]:
    """All that has to be the same over the tasks of a retriever; flat, "FIELD of MODEL" for a model's."""
    settings = {
        key: result.settings[key] for key in (*OF_RUN, *OF_ENCODING, "fusion") if key in result.settings
    }
    for name, spec in models_of(result).items():
        settings |= _named(name, spec)
    return settings | _reranking(result)


def _reranking(result: TaskResult, fields: Sequence[str] = ()) -> dict[str, Any]:
    """How a retriever reranks, as "FIELD of reranking"; of `fields` alone, where given."""
    rerank = result.settings.get("rerank")
    if not isinstance(rerank, Mapping):
        return {}
    return {f"{field} of reranking": rerank.get(field, _MISSING) for field in fields or rerank}


def _named(name: str, spec: Spec) -> dict[str, Any]:
    """The fields of a spec that a score may depend on, as "FIELD of MODEL"."""
    return {f"{field} of {name}": value for field, value in spec.items() if field not in _OF_NO_SCORE}


def _all_settings(result: TaskResult) -> dict[str, Any]:
    of_task = {key: result.settings[key] for key in (*OF_TASK, "run", "qrels") if key in result.settings}
    return of_task | _run_settings(result)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for field in dict.fromkeys((*old, *new)):
        before, after = old.get(field, _MISSING), new.get(field, _MISSING)
        if before != after:
            yield field, before, after


def short_value(value: Any) -> str:
    """A value as a message of one line shows it: hashes and long texts cut."""
    if value is _MISSING:
        return "not said"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and len(text) >= 40 and all(letter in "0123456789abcdef" for letter in text):
        return text[:12]
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return repr(cut) if isinstance(value, str) else cut
