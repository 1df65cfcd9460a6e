"""Scores shown twice: full, and without the queries that a model has seen in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medsearch.evaluation.intervals import Interval, interval_of_means
from medsearch.evaluation.task_means import mean_over_tasks
from medsearch.evaluation.verdicts import JudgedComparison
from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.comparison.leaked_queries import LeakReport, leaked_queries, reports_on
from medsearch.workbench.comparison.versus import (
    MEAN,
    Leaked,
    Match,
    Versus,
    judge_matches,
    reason_of,
    scores_of,
)


@dataclass(frozen=True, slots=True)
class LeakedScore:
    """One score of a retriever on a task, or its mean over tasks, with and without the leaked queries.

    `without` is `None` where no query is left. `judged` is without them and beside the baseline, which lacks
    them too; where it is `None`, `reason` says why ("" for the baseline itself).
    """

    retriever: str
    task: str
    leaked: int
    full: Score
    without: float | None
    interval: Interval | None
    judged: JudgedComparison | None
    reason: str


@dataclass(frozen=True, slots=True)
class LeakedScores:
    """All scores that leaked queries are a part of, and how many comparisons were corrected for together.

    `clean` are retrievers with a report and no leaked query here; `unreported` have one's own model and no
    report; `uncovered` is retriever -> tasks that no report on it covers.
    """

    scores: tuple[LeakedScore, ...]
    comparisons: int
    clean: tuple[str, ...]
    unreported: tuple[str, ...]
    uncovered: Mapping[str, tuple[str, ...]]


def leaked_scores(board: Board, reports: list[LeakReport]) -> LeakedScores:
    """What the contamination reports of a folder do to the scores of a leaderboard.

    Beside the baseline, queries that either of the two has seen are left out of both.
    """
    reported = {
        row.retriever: found
        for row in board.rows
        if (found := reports_on(next(iter(row.results.values())), reports))
    }
    seen = {row.retriever: _seen(row, reported.get(row.retriever, [])) for row in board.rows}
    base = board.row(board.baseline)
    assert base is not None
    leaked = {row.retriever: _of_both(row, seen[row.retriever], seen[base.retriever]) for row in board.rows}
    affected = [row for row in board.rows if any(leaked[row.retriever].values())]
    matches = {
        row.retriever: _match(base, row, leaked[row.retriever], board.mean_over)
        for row in affected
        if row is not base
    }
    judged, comparisons = judge_matches(matches, board.terms)
    return LeakedScores(
        scores=tuple(
            score
            for row in affected
            for score in _scores(row, leaked[row.retriever], judged.get(row.retriever), board)
        ),
        comparisons=comparisons,
        clean=tuple(name for name in reported if not any(seen[name].values())),
        unreported=tuple(
            row.retriever for row in board.rows if row.background.trained and row.retriever not in reported
        ),
        uncovered={
            row.retriever: missing
            for row in board.rows
            if (missing := _uncovered(row, reported.get(row.retriever, [])))
        },
    )


def _seen(row: Row, reports: list[LeakReport]) -> Leaked:
    """The queries of each task that a retriever has seen in training."""
    return {task: leaked_queries(reports, task) & set(result.scores) for task, result in row.results.items()}


def _of_both(row: Row, seen: Leaked, by_baseline: Leaked) -> Leaked:
    return {
        task: seen[task] | (by_baseline.get(task, frozenset()) & set(result.scores))
        for task, result in row.results.items()
    }


def _uncovered(row: Row, reports: Sequence[LeakReport]) -> tuple[str, ...]:
    """Tasks that no report on a retriever says anything of; none where there is no report on it at all."""
    if not reports:
        return ()
    return tuple(task for task in row.results if not any(task in report.queries for report in reports))


def _match(base: Row, row: Row, leaked: Leaked, mean_over: tuple[str, ...]) -> Match:
    """The comparisons that leaked queries are a part of."""
    whole = row.mean is not None and any(leaked[task] for task in mean_over)
    pairs = {
        task: (base.results[task], result) for task, result in row.results.items() if task in base.results
    }
    touched = tuple(task for task in pairs if leaked[task])
    return Match(pairs, mean_over if whole else (), leaked, only=touched)


def _scores(row: Row, leaked: Leaked, versus: Versus | None, board: Board) -> list[LeakedScore]:
    """Of each task that is touched, and of the mean."""
    touched = [task for task in row.results if leaked[task]]
    found = [_score(row, (task,), leaked, versus, board) for task in touched]
    if row.mean is not None and len(board.mean_over) > 1 and set(touched) & set(board.mean_over):
        found.append(_score(row, board.mean_over, leaked, versus, board))
    return found


def _score(
    row: Row, over: tuple[str, ...], leaked: Leaked, versus: Versus | None, board: Board
) -> LeakedScore:
    terms = board.terms
    what = MEAN if len(over) > 1 else over[0]
    full = row.mean if what == MEAN else row.scores[what]
    assert full is not None
    left = {task: scores_of(row.results[task], terms.measure, leaked[task]) for task in over}
    keys = {task: row.results[task].query_keys for task in over}
    empty = [task for task, scores in left.items() if not scores]
    return LeakedScore(
        retriever=row.retriever,
        task=what,
        leaked=sum(len(leaked[task]) for task in over),
        full=full,
        without=None if empty else mean_over_tasks(left),
        interval=None if empty else interval_of_means(left, level=1 - terms.procedure.alpha, keys=keys),
        judged=versus.judged.get(what) if versus else None,
        reason=f"no query of {', '.join(empty)} is left" if empty else reason_of(versus, what),
    )
