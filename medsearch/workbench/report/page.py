"""The page: every results folder as a section of one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from medsearch.workbench.board.findings import Findings
from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.board.pareto import PRICED_BY, Pareto, pareto
from medsearch.workbench.board.prices import COSTS
from medsearch.workbench.comparison.sentences import sentence
from medsearch.workbench.comparison.versus import MEAN
from medsearch.workbench.report.conditions_shown import Conditions, conditions_of
from medsearch.workbench.report.pareto_plot import pareto_plot
from medsearch.workbench.report.rendering import render, safe_markup
from medsearch.workbench.report.reproduction import Reproduction, reproduction_of
from medsearch.workbench.report.task_plot import task_plot


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a retriever has no verdict: the first reason, and for how many more tasks there is another."""

    retriever: str
    reason: str
    others: int


@dataclass(frozen=True, slots=True)
class Section:
    """One folder as the template shows it; plots are SVG that is safe to stand in the page."""

    number: int
    findings: Findings
    sentences: tuple[str, ...]
    faults: tuple[Fault, ...]
    detects: Mapping[str, float | None]
    categories: tuple[str, ...]
    paretos: tuple[tuple[Pareto, Any], ...]
    task_plot: Any
    conditions: Conditions
    reproduction: Reproduction


def report_page(everything: Sequence[Findings]) -> str:
    """The HTML of the report on these folders: one file, nothing fetched, no script.

    Raises:
        MedsearchError: what draws the plots is not installed.
    """
    sections = [_section(number, findings) for number, findings in enumerate(everything, start=1)]
    context = {
        "sections": sections,
        "costs": COSTS,
        "mean": MEAN,
        "created": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    return render("report.html.j2", context)


def faults_of(board: Board) -> tuple[Fault, ...]:
    """The retrievers that lack a verdict or a mean, each with its reason."""
    return tuple(fault for row in board.rows for fault in _faults(row))


def detectable(board: Board) -> dict[str, float | None]:
    """Task (or `MEAN`) -> the difference that every comparison on it would have found, 0 to 1.

    `None` where one of them could have found none, or nothing was compared.
    """
    found: dict[str, list[Score]] = {}
    for row in board.rows:
        scored = {**row.scores, **({MEAN: row.mean} if row.mean is not None else {})}
        for task, score in scored.items():
            if score.judged is not None:
                found.setdefault(task, []).append(score)
    return {task: _largest(found.get(task, [])) for task in (*board.tasks, MEAN)}


def _largest(scores: Sequence[Score]) -> float | None:
    smallest = [score.judged.smallest_detectable for score in scores if score.judged is not None]
    known = [value for value in smallest if value is not None]
    return max(known) if known and len(known) == len(smallest) else None


def _section(number: int, findings: Findings) -> Section:
    board = findings.board
    priced = [pareto(board, figure) for figure in PRICED_BY]
    plots = [pareto_plot(board, found, name=f"s{number}-plot-{found.figure}") for found in priced]
    return Section(
        number=number,
        findings=findings,
        sentences=tuple(_sentences(board)),
        faults=faults_of(board),
        detects=detectable(board),
        categories=tuple(dict.fromkeys(name for card in findings.cards.values() for name in card.categories)),
        paretos=tuple(zip(priced, map(safe_markup, plots), strict=True)),
        task_plot=safe_markup(task_plot(board, name=f"s{number}-plot-tasks")),
        conditions=conditions_of(board),
        reproduction=reproduction_of(findings),
    )


def _sentences(board: Board) -> Iterator[str]:
    """What each comparison of means shows, in the leaderboard's order."""
    what = MEAN if len(board.mean_over) > 1 else board.mean_over[0]
    for row in board.rows:
        if row.mean is not None and row.mean.judged is not None:
            said = sentence(what, board.baseline, row.retriever, row.mean.judged, board.terms.procedure)
            yield said if what != MEAN else said[0].upper() + said[1:]


def _faults(row: Row) -> Iterator[Fault]:
    reasons = list(dict.fromkeys(score.reason for score in row.scores.values() if score.reason))
    if row.mean is not None and row.mean.reason and row.mean.reason not in reasons:
        reasons.insert(0, row.mean.reason)
    if row.no_mean:
        yield Fault(row.retriever, row.no_mean, 0)
    if reasons:
        yield Fault(row.retriever, reasons[0], len(reasons) - 1)
