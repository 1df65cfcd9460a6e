"""The tables of a model card, as Markdown; "" where there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.stress import StressCard, shown
from medsearch.workbench.board.findings import Findings
from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.board.prices import COSTS
from medsearch.workbench.comparison.versus import MEAN
from medsearch.workbench.report.numbers import cost, count, points, signed, signed_span, span, standing_of
from medsearch.workbench.report.visible import markdown_table


def card_tables(found: Findings, row: Row) -> dict[str, str]:
    """Name in the template -> table of one model's row."""
    return {
        "scores": _scores(found.board, row),
        "measures": _measures(row),
        "prices": _prices(row),
        "stress": _stress(found, row),
        "leaks": _leaks(found, row),
        "abstention": _abstention(found, row),
    }


def _scores(board: Board, row: Row) -> str:
    """Each task and the mean: score, baseline's score, difference, verdict, history."""
    headers = ["task", "queries", f"{board.terms.measure}, 95 % interval", f"beside {board.baseline}"]
    headers += ["verdict", "looks", "marks"]
    scores = {**row.scores, **({MEAN: row.mean} if row.mean and len(board.mean_over) > 1 else {})}
    return markdown_table(headers, [_line(task, score, row, board) for task, score in scores.items()])


def _line(task: str, score: Score, row: Row, board: Board) -> list[str]:
    found = score.judged.comparison if score.judged else None
    beside = f"{signed(found.difference)} {signed_span(found.ci)}" if found else ""
    name = f"{MEAN} ({len(board.mean_over)})" if task == MEAN else task
    return [
        name,
        count(score.queries),
        f"{points(score.mean)} {span(score.interval)}",
        beside,
        standing_of(row, score, board.baseline) if found or score.reason else "",
        count(score.standing.looks),
        "; ".join(score.marks),
    ]


def _measures(row: Row) -> str:
    """Means of all measures, without intervals."""
    names = [name for name in MEASURES if all(name in result.means for result in row.results.values())]
    rows = [[task, *(points(result.means[name]) for name in names)] for task, result in row.results.items()]
    return markdown_table(["task", *names], rows)


def _prices(row: Row) -> str:
    rows = [
        [task, *(cost(result.cost, key) for key in COSTS)]
        for task, result in row.results.items()
        if any(key in result.cost for key in COSTS)
    ]
    headers = ["task", *(f"{field.title}, {field.unit}" for field in COSTS.values())]
    return markdown_table(headers, rows) if rows else ""


def _stress(found: Findings, row: Row) -> str:
    names = [name for name in (row.retriever, found.board.baseline) if name in found.cards]
    cards = [found.cards[name] for name in dict.fromkeys(names)]
    if not cards or cards[0].retriever != row.retriever:
        return ""
    rows = [
        [category.replace("_", " "), count(rate.pairs), *(_rate(card, category) for card in cards)]
        for category, rate in cards[0].categories.items()
    ]
    rows.append(["all", count(cards[0].all.pairs), *(shown(card.all) for card in cards)])
    return markdown_table(["what differs", "pairs", *(card.retriever for card in cards)], rows)


def _rate(card: StressCard, category: str) -> str:
    rate = card.categories.get(category)
    return "" if rate is None else shown(rate)


def _leaks(found: Findings, row: Row) -> str:
    rows = [
        [
            score.task,
            f"{score.leaked} of {score.full.queries}",
            f"{points(score.full.mean)} {span(score.full.interval)}",
            f"{points(score.without)} {span(score.interval)}"
            if score.without is not None and score.interval is not None
            else score.reason,
            str(score.judged.outcome) if score.judged else "",
        ]
        for score in found.leaked.scores
        if score.retriever == row.retriever
    ]
    headers = ["task", "leaked queries", "full", "without them", f"beside {found.board.baseline}, without"]
    return markdown_table(headers, rows) if rows else ""


def _abstention(found: Findings, row: Row) -> str:
    rows: list[Sequence[str]] = [
        [
            each.corpus,
            f"{100 * each.error:g} %",
            f"{points(each.false.share)} {span(each.false.interval)}",
            f"{points(each.all_outside.share)} {span(each.all_outside.interval)}",
            f"{each.calibrated_on}, {each.measured_on}",
        ]
        for each in found.calibrations
        if each.retriever == row.retriever
    ]
    headers = ["corpus", "stated error", "refused though answered, %", "refused from outside, %"]
    return markdown_table([*headers, "calibrated on, measured on"], rows) if rows else ""
