"""What a card shows of `training.json`: candidates, guard, lengths and exports."""

from __future__ import annotations

from typing import Any

from medsearch.adapter_source import adapter_folder
from medsearch.evaluation.training_facts import (
    LEAKS_LEFT,
    ROWS_CHECKED,
    ROWS_WITH_LEAKS,
    CandidateFacts,
    DataFacts,
    GuardFacts,
    TrainingFacts,
)
from medsearch.evaluation.verdicts import Outcome
from medsearch.types import ModelKind, ModelSpec
from medsearch.workbench.report.numbers import points
from medsearch.workbench.report.visible import markdown_table

_MEAN = "mean"
_MIB = 2**20
_ROUNDING = 1e-9


def training_context(facts: TrainingFacts, spec: ModelSpec) -> dict[str, Any]:
    """What the templates `card_dev`, `card_data` and `card_facts` need beside the facts of `spec`."""
    selection = facts.selection
    return {
        "candidates": _candidates(facts),
        "guard_lines": [_guard_line(each) for each in facts.guard],
        "packages": [f"{name} {version}" for name, version in sorted(selection.guard_packages.items())],
        "lengths": _lengths(facts),
        "exports": _exports(facts),
        "exports_elsewhere": _are_elsewhere(facts, spec),
        "leaks_left_out": leaks_line(facts),
        "leaks_searched": leaks_searched(facts),
        "data_licences": data_table(facts),
        "recipe_settings": settings_table(facts),
    }


def trained_from(facts: TrainingFacts | None, base: str) -> str:
    """The model that training began with; `base` where nothing tells.

    An adapter's provenance names the model that it changes, which is the lowest one where training began with
    an adapter.
    """
    return str(facts.recipe.get("base") or base) if facts else base


def guard_limits(facts: TrainingFacts, base: str) -> list[str]:
    """What training has cost outside medicine, as limits."""
    limits = []
    worse = [each.task for each in facts.guard if each.outcome is Outcome.WORSE and each.task != _MEAN]
    if worse:
        limits.append(f"Outside medicine it is worse than {base} on {', '.join(worse)}.")
    elif any(each.outcome is Outcome.WORSE for each in facts.guard):
        limits.append(f"Outside medicine it is worse than {base} on the mean of the guard set.")
    return limits + _beyond_tolerance(facts)


def _beyond_tolerance(facts: TrainingFacts) -> list[str]:
    """That the rule's limit on what may be lost outside medicine was not kept, where it was not."""
    before, after = facts.selection.base.guard_mean, facts.selection.taken.guard_mean
    allowed = (facts.recipe.get("select") or {}).get("guard_tolerance")
    if allowed is None or before is None or after is None or before - after <= allowed + _ROUNDING:
        return []
    lost = f"It loses {points(before - after)} points outside medicine, where {points(allowed)} were allowed"
    return [f"{lost}: no candidate lost less."]


def leaks_searched(facts: TrainingFacts) -> bool:
    """Whether all of its training data was searched for queries and answers of benchmarks."""
    sources = facts.training.get("sources") or ()
    suites = facts.recipe.get("clean_of")
    return bool(suites and sources) and all(ROWS_WITH_LEAKS in source for source in sources)


def leaks_line(facts: TrainingFacts) -> str:
    """What was done about rows that hold a benchmark's queries or answers."""
    suites = " and ".join(facts.recipe.get("clean_of") or ())
    sources = facts.training.get("sources") or ()
    if not leaks_searched(facts):
        return "Nobody searched the training data for queries and answers of benchmarks."
    checked, leaking, left = (
        sum(int(source[key]) for source in sources) for key in (ROWS_CHECKED, ROWS_WITH_LEAKS, LEAKS_LEFT)
    )
    return (
        f"Of {checked:,} rows, {leaking:,} with a query or an answer of {suites}, or nearly so, were left "
        f"out before training; a second search of the rest found {left:,}."
    )


def data_table(facts: TrainingFacts) -> str:
    """Each source with its rows used, its weight and the licences that its file states; "" without data.

    Licences are of all of the file's rows, used or not: training does not know each row's own.
    """
    rows = [[each.name, f"{each.rows:,}", f"{each.weight:g}", _licences(each)] for each in facts.data]
    return (
        markdown_table(["data", "rows used", "weight", "licences of its file's rows"], rows) if rows else ""
    )


def settings_table(facts: TrainingFacts) -> str:
    """The recipe's tables of training, loss, late interaction, LoRA and teacher, key by key."""
    rows = [
        [f"{table}.{key}", _value(value)]
        for table in ("train", "loss", "late", "lora", "distill")
        for key, value in (facts.recipe.get(table) or {}).items()
    ]
    return markdown_table(["setting", "value"], [["steps", f"{facts.steps:,}"], *rows])


def _candidates(facts: TrainingFacts) -> str:
    selection = facts.selection
    rows = [_candidate(each, selection.chosen) for each in (selection.base, *selection.candidates)]
    if facts.kind == ModelKind.LATE_INTERACTION:
        rows[0][1] = ""  # the base is a dense model: no share of weights leads to it
    return markdown_table(["candidate", "share of the start, %", "dev", "outside medicine", ""], rows)


def _candidate(each: CandidateFacts, chosen: str) -> list[str]:
    outside = "" if each.guard_mean is None else points(each.guard_mean)
    mark = "chosen" if each.name == chosen else ""
    return [each.name, f"{100 * each.base_share:g}", points(each.dev_mean), outside, mark]


def _guard_line(each: GuardFacts) -> str:
    """A line such as "general questions (150 queries): 71.2 → 70.1, worse"."""
    name = "mean of these" if each.task == _MEAN else each.task
    return f"{name} ({each.queries:,} queries): {points(each.base)} → {points(each.tuned)}, {each.outcome}"


def _lengths(facts: TrainingFacts) -> str:
    full = max((each.dev_mean for each in facts.lengths), default=0.0)
    rows = [
        [str(each.dim), points(each.dev_mean), f"{100 * each.dev_mean / full:.1f}" if full else ""]
        for each in facts.lengths
    ]
    return markdown_table(["dimensions", "dev", "of the best, %"], rows) if rows else ""


def _exports(facts: TrainingFacts) -> str:
    rows = [
        [
            each.file,
            f"{each.bytes / _MIB:.1f}",
            f"{each.cosine_mean:.4f}",
            f"{each.cosine_min:.4f}",
            points(each.dev_mean),
        ]
        for each in facts.exports
    ]
    return markdown_table(["file", "MiB", "mean cosine", "lowest", "dev"], rows) if rows else ""


def _are_elsewhere(facts: TrainingFacts, spec: ModelSpec) -> bool:
    """Whether the card is of an adapter that was shipped without a file which the facts list."""
    folder = adapter_folder(spec.source)
    return folder is not None and not all((folder / each.file).is_file() for each in facts.exports)


def _licences(data: DataFacts) -> str:
    stated = "; ".join(f"{name or 'not stated'} ({count:,})" for name, count in data.licences.items())
    return f"{stated}; found out since: {data.found_since}" if data.found_since else stated


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
