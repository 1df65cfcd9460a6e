"""A comparison as one JSON document; scores, differences and rates are of 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medsearch.evaluation.fairness import Fairness
from medsearch.evaluation.stress import StressCard, compare_cards
from medsearch.evaluation.task_means import task_weights
from medsearch.evaluation.verdicts import comparison_record
from medsearch.workbench.comparison.compare import Compared, WithoutLeaks
from medsearch.workbench.comparison.pairing import Judged
from medsearch.workbench.comparison.prompt_worth import PromptWorth

_SIDES = ("a", "b")


def compare_record(compared: Compared) -> dict[str, Any]:
    """Everything that `medsearch compare` knows, ready for JSON."""
    request = compared.request
    marks = {
        task: _of_both([side.marks[task] for side in compared.backgrounds]) for task in compared.judged.tasks
    }
    judged = _judged(compared.judged)
    return {
        "a": request.a,
        "b": request.b,
        "measure": request.measure,
        "tasks": {task: {**row, "marks": marks[task]} for task, row in judged["tasks"].items()},
        "mean": {
            **judged["mean"],
            "marks": _of_both([all_marks(side.marks) for side in compared.backgrounds]),
        },
        "comparisons": judged["comparisons"],
        "left_out": dict(compared.paired.left_out),
        "left_out_by_request": list(compared.paired.by_request),
        "weights": task_weights(compared.judged.tasks),
        "fairness": _fairness(compared.fairness),
        "looks": _of_both(
            [None if side.looks is None else _looks(side.looks, compared) for side in compared.backgrounds]
        ),
        "families": _of_both([side.family for side in compared.backgrounds]),
        "candidates": _of_both([side.candidates for side in compared.backgrounds]),
        "cost": {
            task: _of_both([dict(result.cost) for result in pair])
            for task, pair in compared.paired.pairs.items()
        },
        "stress": _stress(compared),
        "contamination": None if compared.leaks is None else _leaks(compared.leaks),
        "prompts": None
        if compared.prompts is None
        else [_prompt(worth, compared) for worth in compared.prompts],
        "warnings": list(compared.warnings),
    }


def all_marks(marks: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The marks of a mean: those of its tasks, each with the tasks it is from."""
    tasks: dict[str, list[str]] = {}
    for task, of_task in marks.items():
        for mark in of_task:
            tasks.setdefault(mark, []).append(task)
    return [mark if len(on) == len(marks) else f"{mark} ({', '.join(on)})" for mark, on in tasks.items()]


def _of_both(values: Sequence[Any]) -> dict[str, Any]:
    return dict(
        zip(_SIDES, (list(value) if isinstance(value, tuple) else value for value in values), strict=True)
    )


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        "tasks": {task: comparison_record(row) for task, row in judged.tasks.items()},
        "mean": comparison_record(judged.mean),
        "comparisons": judged.comparisons,
    }


def _fairness(fairness: Fairness) -> dict[str, Any]:
    return {
        "checked": fairness.checked,
        "equal": dict(fairness.equal),
        "shown": {field: _of_both(values) for field, values in fairness.shown.items()},
        "notes": list(fairness.notes),
    }


def _looks(counts: Mapping[str, int], compared: Compared) -> dict[str, int]:
    return {task: counts.get(task, 0) for task in compared.judged.tasks}


def _stress(compared: Compared) -> dict[str, Any] | None:
    first, second = compared.cards
    if first is None and second is None:
        return None
    record: dict[str, Any] = _of_both([None if card is None else _card(card) for card in compared.cards])
    if first is not None and second is not None:
        found = compare_cards(first, second)
        record |= {"only_a": found.only_first, "only_b": found.only_second, "p": found.p}
    return record


def _card(card: StressCard) -> dict[str, Any]:
    rates = {"all": card.all, **card.categories}
    rows = {
        name: {
            "pairs": rate.pairs,
            "passed": rate.passed,
            "rate": rate.rate,
            "interval": [rate.low, rate.high],
        }
        for name, rate in rates.items()
    }
    return {**rows.pop("all"), "categories": rows}


def _leaks(leaks: WithoutLeaks) -> dict[str, Any]:
    return {
        "reports": [
            {"file": str(report.file), "models": sorted(report.models), "leaks": report.leaks}
            for report in leaks.reports
        ],
        "removed": dict(leaks.removed),
        "emptied": list(leaks.emptied),
        "uncovered": list(leaks.uncovered),
        "without": None if leaks.judged is None else _judged(leaks.judged),
    }


def _prompt(worth: PromptWorth, compared: Compared) -> dict[str, Any]:
    """`a` is without the prompt, `b` with it."""
    return {
        "retriever": worth.retriever,
        **(_judged(worth.judged) if worth.judged else {"tasks": {}, "mean": None, "comparisons": 0}),
        "missing": {retriever: list(tasks) for retriever, tasks in worth.missing.items()},
        "commands": worth.commands(compared.request.folder),
    }
