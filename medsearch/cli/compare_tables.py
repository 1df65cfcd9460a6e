"""A comparison for people: verdicts first, then what stands beside the scores, then what was checked."""

from __future__ import annotations

from medsearch.cli.compare_context import MEAN, marks_of, print_beside, print_fairness, print_stress
from medsearch.cli.terminal import clean, show_table
from medsearch.evaluation.stress import summary
from medsearch.evaluation.verdicts import JudgedComparison
from medsearch.workbench.comparison.compare import Compared
from medsearch.workbench.comparison.pairing import Judged
from medsearch.workbench.comparison.sentences import sentence, weights_note
from medsearch.workbench.comparison.written import MINUS, effect, p_value, points, signed


def print_comparison(compared: Compared) -> None:
    """Print all of it; scores and differences times 100."""
    request = compared.request
    names = [
        name if card is None else f"{name} ({summary(card)})"
        for name, card in zip((request.a, request.b), compared.cards, strict=True)
    ]
    _say(f"A is {names[0]}, B is {names[1]}; {request.measure} and differences times 100.")
    _judged(compared, compared.judged, (request.a, request.b))
    for task, retriever in compared.paired.left_out.items():
        _say(f"left out: {task}, which only {retriever} has")
    if compared.paired.by_request:
        _say(
            f"left out by request (--tasks): {', '.join(compared.paired.by_request)}; the correction covers "
            "only what is shown here"
        )
    _leaks(compared)
    print_beside(compared)
    print_stress(compared)
    _prompts(compared)
    print_fairness(compared.fairness)
    for warning in compared.warnings:
        _say(f"warning: {warning}")


def _say(line: str) -> None:
    print(clean(line))


def _judged(compared: Compared, judged: Judged, names: tuple[str, str], *, marked: bool = True) -> None:
    """The table of verdicts, then a sentence on each."""
    procedure = compared.request.procedure
    level = f"{100 * (1 - procedure.alpha):g} % interval"
    headers = ["task", "queries", "A", "B", f"B {MINUS} A", level, "d_z", "p", "p (Holm)"]
    headers += ["wins/ties/losses", "B is"]
    rows = dict(judged.tasks) | ({MEAN: judged.mean} if len(judged.tasks) > 1 else {})
    marks = {name: _marks_of_row(compared, name) if marked else "" for name in rows}
    show = any(marks.values())
    print()
    show_table(
        [[*_row(name, row), *([marks[name]] if show else [])] for name, row in rows.items()],
        [*headers, *(["marks"] if show else [])],
    )
    number = judged.comparisons
    print(
        f"\np (Holm) is corrected for the {number} comparison{'' if number == 1 else 's'} of this table, and "
        f"what B is goes by it; the {level}s are not corrected. d_z: effect size (Cohen), the difference in "
        "standard deviations."
    )
    if note := weights_note(judged.tasks):
        _say(f"Note: {note}.")
    for name, row in rows.items():
        _say(f"{sentence(name, *names, row, procedure)}{f' [{marks[name]}]' if marks[name] else ''}")


def _row(name: str, judged: JudgedComparison) -> list[str]:
    found = judged.comparison
    low, high = found.ci
    return [
        name,
        f"{found.queries:,}",
        points(found.a),
        points(found.b),
        signed(found.difference),
        f"{signed(low)} to {signed(high)}",
        effect(found.effect_size),
        p_value(found.p),
        p_value(judged.p_holm),
        f"{found.wins:,}/{found.ties:,}/{found.losses:,}",
        str(judged.outcome),
    ]


def _marks_of_row(compared: Compared, name: str) -> str:
    lists = [marks_of(side, name) for side in compared.backgrounds]
    return "; ".join(
        f"{letter}: {', '.join(marks)}" for letter, marks in zip("AB", lists, strict=True) if marks
    )


def _leaks(compared: Compared) -> None:
    """The comparison again, without the queries that were seen in training."""
    leaks, request = compared.leaks, compared.request
    if leaks is None:
        return
    files = ", ".join(report.file.name for report in leaks.reports)
    removed = ", ".join(f"{task}: {count:,}" for task, count in leaks.removed.items() if count)
    print()
    if leaks.judged is not None:
        _say(f"Without the queries that were seen in training ({removed}; by {files}):")
        _judged(compared, leaks.judged, (request.a, request.b))
    elif not removed:
        _say(f"Contamination: no query of these tasks was seen in training (by {files}).")
    for task in leaks.emptied:
        _say(f"{task}: every query was seen in training, so nothing of it is left")
    for task in leaks.uncovered:
        _say(f"{task}: a contamination report ({files}) does not cover it")


def _prompts(compared: Compared) -> None:
    """What the query prompts are worth."""
    if compared.prompts is None:
        return
    if not compared.prompts:
        print("\nNeither A nor B declares a query prompt.")
    for worth in compared.prompts:
        print()
        _say(f"The query prompt of {worth.retriever}: A is without it, B with it.")
        if worth.judged is not None:
            names = f"{worth.retriever} without its prompt", f"{worth.retriever} with its prompt"
            _judged(compared, worth.judged, names, marked=False)
        for command in worth.commands(compared.request.folder):
            _say(f"To learn what it is worth, run {command}.")
