"""What stands beside compared scores: price, looks, candidates, stress cards, and the fairness table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medsearch.cli.terminal import clean, show_table
from medsearch.evaluation.fairness import Fairness
from medsearch.evaluation.guards import short_value
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.stress import compare_cards, shown
from medsearch.workbench.comparison.compare import Compared
from medsearch.workbench.comparison.record import all_marks
from medsearch.workbench.comparison.standing import Background
from medsearch.workbench.comparison.written import p_equals

MEAN = "mean over tasks"

_COSTS = {
    "documents_per_second": ("documents/s", ",.0f"),
    "query_ms_p50": ("ms p50", ",.2f"),
    "query_ms_p99": ("ms p99", ",.2f"),
    "index_bytes_per_document": ("bytes/document", ",.0f"),
    "peak_memory_mib": ("MiB", ",.0f"),
}
_UNKNOWN = "?"
_EMPTY: tuple[Any, ...] = (None, "", {})
_LONGEST = 80


def marks_of(side: Background, name: str) -> Sequence[str]:
    """The marks of a retriever's score on a task, or of its mean."""
    return all_marks(side.marks) if name == MEAN else side.marks[name]


def print_beside(compared: Compared) -> None:
    """What every score cost, how many candidates were tried for it, and how often its test set was seen."""
    results = [result for pair in compared.paired.pairs.values() for result in pair]
    costs = [key for key in _COSTS if any(key in result.cost for result in results)]
    marked = any(any(side.marks.values()) for side in compared.backgrounds)
    rows = []
    for name, side, score, cost in _scores(compared):
        standing = side.standing(compared.judged.tasks if name == MEAN else [name])
        counts = [
            _UNKNOWN if count is None else f"{count:,}" for count in (standing.candidates, standing.looks)
        ]
        price = ["" if cost is None else _number(cost.get(key), _COSTS[key][1]) for key in costs]
        marks = ["; ".join(marks_of(side, name))] if marked else []
        rows.append([name, side.retriever, f"{100 * score:.1f}", *counts, *price, *marks])
    print("\nBeside every score:\n")
    headers = ["task", "retriever", "score", "candidates", "looks", *(_COSTS[key][0] for key in costs)]
    show_table(rows, [*headers, *(["marks"] if marked else [])])
    print(
        "\ncandidates: models tried before this one was chosen; looks: how often its family was run on the "
        f"task, by the ledger; {_UNKNOWN}: not known."
    )
    _say_machines(results)


def print_stress(compared: Compared) -> None:
    """Pass rates by category, and whether A and B pass different pairs."""
    first, second = compared.cards
    for letter, card in zip("AB", compared.cards, strict=True):
        if card is not None:
            print()
            rates = ", ".join(f"{name} {shown(rate)}" for name, rate in card.categories.items())
            _say(f"Stress card of {letter}, {card.retriever}, pairs passed: {shown(card.all)}; {rates}.")
    if first is not None and second is not None:
        found = compare_cards(first, second)
        _say(
            f"Only B passes {found.only_second:,} pairs, only A {found.only_first:,} (McNemar, exact: "
            f"{p_equals(found.p)})."
        )


def print_fairness(fairness: Fairness) -> None:
    """What differs side by side, what was found equal, and notes."""
    print(f"\nFairness{'' if fairness.checked else ' not checked: a result does not say how it was made'}:\n")
    rows = [
        [field, _value(field, a), _value(field, b)]
        for field, (a, b) in fairness.shown.items()
        if field.endswith("prompt") or not (a in _EMPTY and b in _EMPTY)
    ]
    show_table(rows, ["", "A", "B"])
    each = [field for field, value in fairness.equal.items() if _by_task(value)]
    once = [
        f"{field} {_value(field, fairness.equal[field])}" for field in fairness.equal if field not in each
    ]
    print()
    _say(f"Equal on every task: {', '.join(once)}.")
    _say(f"Equal on each task (values with --json): {', '.join(each)}.")
    for note in fairness.notes:
        _say(f"note: {note}")


def _say(line: str) -> None:
    print(clean(line))


def _say_machines(results: Iterable[TaskResult]) -> None:
    machines = sorted({str(result.cost["machine"]) for result in results if "machine" in result.cost})
    if len(machines) > 1:
        _say(f"note: speed and memory are of different machines ({'; '.join(machines)}): do not compare them")


def _scores(compared: Compared) -> Iterator[tuple[str, Background, float, Mapping[str, Any] | None]]:
    """(task, retriever's history, score, its price), the mean over several tasks last; that has no price."""
    for task, pair in compared.paired.pairs.items():
        found = compared.judged.tasks[task].comparison
        for score, result, side in zip((found.a, found.b), pair, compared.backgrounds, strict=True):
            yield task, side, score, result.cost
    if len(compared.judged.tasks) > 1:
        mean = compared.judged.mean.comparison
        for score, side in zip((mean.a, mean.b), compared.backgrounds, strict=True):
            yield MEAN, side, score, None


def _number(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else _UNKNOWN


def _by_task(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(":" in key for key in value)


def _value(field: str, value: Any) -> str:
    """Prompts in quotes, since a space at their end counts; what is too long for a table cut.

    What differs between tasks is shown with them.
    """
    if _by_task(value):
        return "; ".join(f"{_value(field, of_task)} ({task})" for task, of_task in value.items())
    if value is None:
        return "-"
    if field.endswith("prompt"):
        return short_value(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else short_value(value)
