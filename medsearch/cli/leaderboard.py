"""`medsearch leaderboard`: retrievers by their scores, with intervals, verdicts, history and price."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, clean, show_json, show_table
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import PRIMARY
from medsearch.evaluation.stress import shown
from medsearch.settings import Settings
from medsearch.workbench.board.findings import Findings, FindingsRequest, findings_of, result_folders
from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.board.prices import COSTS
from medsearch.workbench.board.record import leaderboard_record
from medsearch.workbench.comparison.sentences import weights_note
from medsearch.workbench.comparison.versus import Terms
from medsearch.workbench.comparison.written import p_value
from medsearch.workbench.report.numbers import (
    BASELINE,
    NOT_COMPARED,
    cost,
    count,
    points,
    signed,
    signed_span,
    span,
)
from medsearch.workbench.report.page import faults_of, report_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `leaderboard`."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR",
        help="results, as `evaluate --out DIR` keeps them, or a folder of such folders",
    )  # fmt: skip
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report, one file, there")
    parser.add_argument("--measure", default=PRIMARY, choices=MEASURES, help=f"(default: {PRIMARY})")
    parser.add_argument(
        "--baseline", metavar="RETRIEVER", help="whom verdicts are beside (default: minilm, else the first)"
    )
    parser.add_argument(
        "--unchecked", action="store_true",
        help="compare also results that do not say how they were made, and mark them",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Judge all that is there, print it, and write the report where asked for."""
    page: Path | None = arguments.html
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        raise UsageError(f"--html {page}: name a file in a folder that is there")
    settings = Settings.from_environment()
    registry = tuple(load_registry(settings.models, cache=settings.cache).values())
    request = FindingsRequest(
        terms=Terms(measure=arguments.measure, unchecked=arguments.unchecked, registry=registry),
        baseline=arguments.baseline,
        looks=settings.looks,
    )
    progress = TerminalProgress()
    everything = []
    for folder in result_folders(arguments.folder):
        progress.say(f"judging the results in {folder}")
        everything.append(findings_of(folder, request))
    if page is not None:
        page.write_text(report_page(everything), encoding="utf-8")
        progress.say(f"wrote {page}: open it in a browser")
    if arguments.json:
        show_json({"boards": [leaderboard_record(findings) for findings in everything]})
    else:
        for findings in everything:
            show_findings(findings)
    return 0


def show_findings(findings: Findings) -> None:
    """Quality, history and price of every retriever, then every task."""
    board = findings.board
    number = len(board.mean_over)
    print(
        f"{clean(findings.folder.name)}: mean {board.terms.measure} times 100 over {number} "
        f"{'task' if number == 1 else 'tasks'}; verdicts beside {clean(board.baseline)}, corrected for "
        f"{board.comparisons:,} {'comparison' if board.comparisons == 1 else 'comparisons'}\n"
    )
    _show_board(findings)
    _show_tasks(board)
    print(
        "\nIn brackets: 95 % intervals, not corrected; verdicts go by p (Holm), which is. detects: the true "
        "difference that so many queries would have shown (?: none, or not known). candidates: models tried "
        "before this one was chosen. looks: how often its family was run on a test set. p50, index: medians "
        "over tasks; p99, memory: the highest. ?: not known."
    )
    if note := weights_note(board.mean_over):
        _say(f"note: {note}")
    for fault in faults_of(board):
        what = "" if fault.reason.startswith("incomplete") else f"{NOT_COMPARED}: "
        _say(
            f"{fault.retriever}: {what}{fault.reason}{f' (and {fault.others} more)' if fault.others else ''}"
        )
    _say_all(f"warning: {line}" for line in findings.warnings)
    for score in findings.leaked.scores:
        without = "no query is left" if score.without is None else points(score.without)
        _say(
            f"{score.task}, {score.retriever}: {points(score.full.mean)} with all queries, {without} without "
            f"the {score.leaked:,} that were seen in training"
        )
    print()


def _show_board(findings: Findings) -> None:
    """Quality and history, then the price."""
    board, measure = findings.board, findings.board.terms.measure
    rows, prices = [], []
    for row in board.rows:
        card = findings.cards.get(row.retriever)
        standing = row.background.standing(row.results)
        scored = _scored(row, row.mean, board.baseline)
        stress = "" if card is None else shown(card.all)
        marks = "; ".join(row.mean.marks if row.mean else ())
        counts = [count(standing.candidates), count(standing.looks)]
        rows.append([row.retriever, *scored, *counts, stress, marks])
        figures = row.price.figures if row.price else {}
        prices.append([row.retriever, scored[0], *(cost(figures, key) for key in COSTS)])
    headers = ["retriever", measure, "difference", "verdict", "candidates", "looks", "stress card", "marks"]
    show_table(*_without_empty(rows, headers))
    print()
    if any(row.price for row in board.rows):
        show_table(prices, ["price", measure, *(f"{field.title} {field.unit}" for field in COSTS.values())])
    else:
        print("price: not measured; evaluate again without --no-cost")


def _show_tasks(board: Board) -> None:
    headers = ["task", "queries", "retriever", board.terms.measure, "difference", "verdict", "p (Holm)"]
    headers += ["detects", "looks", "marks"]
    rows = []
    for task, queries in board.tasks.items():
        for row in board.rows:
            if task not in row.scores:
                continue
            score = row.scores[task]
            known = score.judged.smallest_detectable if score.judged else None
            rows.append(
                [
                    task,
                    f"{queries:,}",
                    row.retriever,
                    *_scored(row, score, board.baseline),
                    p_value(score.judged.p_holm) if score.judged else "",
                    ("?" if known is None else points(known)) if score.judged else "",
                    count(score.standing.looks),
                    "; ".join(score.marks),
                ]
            )
    print()
    show_table(*_without_empty(rows, headers))


def _scored(row: Row, score: Score | None, baseline: str) -> list[str]:
    """Score, difference, each with its interval, and verdict."""
    if score is None:
        return ["", "", "no mean"]
    mean = f"{points(score.mean)} {span(score.interval)}"
    if score.judged is None:
        return [mean, "", BASELINE if row.retriever == baseline else NOT_COMPARED]
    found = score.judged.comparison
    return [mean, f"{signed(found.difference)} {signed_span(found.ci)}", str(score.judged.outcome)]


def _without_empty(rows: list[list[str]], headers: list[str]) -> tuple[list[list[str]], list[str]]:
    """The table without columns that are empty in every row, such as costs that were not measured."""
    kept = [place for place in range(len(headers)) if any(row[place] for row in rows)]
    return [[row[place] for place in kept] for row in rows], [headers[place] for place in kept]


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        _say(line)


def _say(line: str) -> None:
    print(clean(line))
