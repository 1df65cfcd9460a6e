"""Puts the results that `medsearch evaluate SUITE --out DIR` kept into README, and keeps their summary.

python -m benchmarks.results_table DIR [README [SUMMARY]]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tabulate import tabulate

from benchmarks.readme import README, Marks
from benchmarks.record import RESULTS
from medsearch.encoders.registry import load_registry
from medsearch.evaluation.stress import shown
from medsearch.settings import Settings
from medsearch.workbench.board.findings import Findings, FindingsRequest, findings_of
from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.board.prices import COSTS
from medsearch.workbench.board.record import leaderboard_record
from medsearch.workbench.comparison.versus import MEAN, Terms
from medsearch.workbench.report.numbers import (
    BASELINE,
    SYMBOLS,
    cost,
    count,
    points,
    short_mark,
    span,
    standing_of,
)
from medsearch.workbench.report.page import faults_of
from medsearch.workbench.report.visible import markdown

SUMMARY = RESULTS / "evaluation.json"
BEGIN, END = "<!-- results: made by benchmarks/results_table.py -->", "<!-- end of results -->"


def tables(findings: Findings) -> str:
    """Scores by task, then what each retriever costs and how it came about, with a line on what is shown."""
    board = findings.board
    notes: list[str] = []
    lines = [_scores(board, notes), "", _about(board)]
    lines += [f"\n<sup>{number}</sup> {note}." for number, note in enumerate(notes, 1)]
    lines += ["", _prices(findings)]
    machines = sorted({machine for row in board.rows if row.price for machine in row.price.machines})
    if machines:
        over = ", ".join(f"{field.title} the {field.over_tasks}" for field in COSTS.values())
        lines += ["", f"Over the tasks: {over}. Measured on {markdown('; '.join(machines))}."]
    lines += [f"\n{markdown(f'{fault.retriever}: {fault.reason}')}." for fault in faults_of(board)]
    lines += [f"\n{markdown(line)}." for line in findings.warnings]
    return "\n".join(lines)


def put_in_readme(text: str, new: str) -> str:
    """README with the table between its two marks replaced.

    Raises:
        UsageError: if it lacks the marks.
    """
    return Marks(BEGIN, END).replaced(text, new)


def main(folder: str, readme: str = str(README), summary: str = str(SUMMARY)) -> None:
    """Judge the results, rewrite the tables, keep the summary."""
    settings = Settings.from_environment()
    registry = tuple(load_registry(settings.models, cache=settings.cache).values())
    found = findings_of(Path(folder), FindingsRequest(Terms(registry=registry), looks=settings.looks))
    made, file = tables(found), Path(readme)
    file.write_text(put_in_readme(file.read_text("utf-8"), made), encoding="utf-8")
    Path(summary).write_text(
        json.dumps(leaderboard_record(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(made)


def _scores(board: Board, notes: list[str]) -> str:
    """A row a task, a column a retriever, the mean last; what scores are marked with is added to `notes`."""
    rows = [
        [
            markdown(task),
            count(queries),
            *(_cell(board, row, row.scores[task], notes) if task in row.scores else "" for row in board.rows),
        ]
        for task, queries in board.tasks.items()
    ]
    if len(board.mean_over) > 1:
        means = [
            _cell(board, row, row.mean, notes) if row.mean else markdown(row.no_mean) for row in board.rows
        ]
        total = sum(board.tasks[task] for task in board.mean_over)
        rows.append([f"**{MEAN}** ({len(board.mean_over)})", count(total), *means])
    names = [markdown(row.retriever) for row in board.rows]
    return tabulate(rows, headers=["task", "queries", *names], tablefmt="github", disable_numparse=True)


def _cell(board: Board, row: Row, score: Score, notes: list[str]) -> str:
    """A score, its interval and verdict, and the numbers of its notes."""
    standing = standing_of(row, score, board.baseline)
    verdict = "" if standing == BASELINE else f" {SYMBOLS[standing]} {standing}"
    marks = list(dict.fromkeys(markdown(short_mark(mark)) for mark in score.marks))
    notes += [mark for mark in marks if mark not in notes]
    numbers = ", ".join(str(notes.index(mark) + 1) for mark in marks)
    return f"{points(score.mean)} {span(score.interval)}{verdict}{f' <sup>{numbers}</sup>' if marks else ''}"


def _about(board: Board) -> str:
    level = f"{100 * (1 - board.terms.procedure.alpha):g} %"
    return (
        f"{board.terms.measure} times 100 with its {level} interval (BCa bootstrap over queries); verdicts "
        f"beside {markdown(board.baseline)} by a paired randomisation test, Holm-corrected for the "
        f"{board.comparisons} comparisons of the table."
    )


def _prices(findings: Findings) -> str:
    """A row a retriever: its price, and what must stand beside its scores."""
    rows = []
    for row in findings.board.rows:
        card = findings.cards.get(row.retriever)
        standing = row.background.standing(row.results)
        rows.append(
            [
                markdown(row.retriever),
                *(cost(row.price.figures, key) if row.price else "" for key in COSTS),
                count(standing.candidates),
                count(standing.looks),
                "not made" if card is None else shown(card.all),
            ]
        )
    headers = ["retriever", *(f"{field.title}, {field.unit}" for field in COSTS.values())]
    headers += ["candidates tried", "looks at tests", "stress card"]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
