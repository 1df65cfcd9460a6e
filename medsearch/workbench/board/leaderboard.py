"""The table of retrievers: each score with its interval, verdict, price and history.

Only results that may be compared get a verdict, and means are only ever over the same tasks: those of the
baseline. What cannot be said is left out with its reason, never filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medsearch.errors import UsageError
from medsearch.evaluation.fairness import fairness_of
from medsearch.evaluation.guards import Allowed, UnfairError, check_pairs, check_scores, one_result
from medsearch.evaluation.intervals import Interval, interval_of_means
from medsearch.evaluation.looks import Look, Standing
from medsearch.evaluation.results import TaskResult, of_retriever
from medsearch.evaluation.task_means import mean_over_tasks
from medsearch.evaluation.verdicts import JudgedComparison
from medsearch.workbench.board.prices import Price, price_of
from medsearch.workbench.comparison.record import all_marks
from medsearch.workbench.comparison.standing import Background, background_of
from medsearch.workbench.comparison.versus import (
    MEAN,
    Match,
    Terms,
    Versus,
    judge_matches,
    reason_of,
    scores_of,
)

USUAL_BASELINE = "minilm"

ByTask = Mapping[str, TaskResult]


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over queries, or over tasks (parts of one mteb task as one), with its interval; 0 to 1.

    `judged` is beside the baseline: `None` for the baseline itself, and where `reason` says why the two are
    not compared. `marks` and `standing` must be shown wherever the score is.
    """

    mean: float
    interval: Interval
    queries: int
    judged: JudgedComparison | None
    reason: str
    marks: tuple[str, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Row:
    """One retriever: `scores` is task -> score. Where `mean` is `None`, `no_mean` says why.

    `notes` tell of what differs from the baseline within one family, and of unlike revisions of medsearch.
    """

    retriever: str
    results: ByTask
    scores: Mapping[str, Score]
    mean: Score | None
    no_mean: str
    background: Background
    price: Price | None
    notes: tuple[str, ...]

    @property
    def compared(self) -> bool:
        """Whether its mean has a verdict."""
        return self.mean is not None and self.mean.judged is not None


@dataclass(frozen=True, slots=True)
class Board:
    """The table: comparable retrievers first, by their mean. `tasks` is task -> number of queries.

    Means are over `mean_over`, the baseline's tasks, weighted by `task_weights`. `comparisons` were corrected
    for together; `faults` are results that could not be used, a line each.
    """

    terms: Terms
    baseline: str
    tasks: Mapping[str, int]
    mean_over: tuple[str, ...]
    rows: tuple[Row, ...]
    comparisons: int
    faults: tuple[str, ...]

    def row(self, retriever: str) -> Row | None:
        """The row of a retriever, if it has one."""
        return next((row for row in self.rows if row.retriever == retriever), None)


def leaderboard(
    results: Sequence[TaskResult], looks: Sequence[Look] | None, terms: Terms, baseline: str | None = None
) -> Board:
    """Build the table; `baseline` is `minilm` unless named, or where there is none the first with most tasks.

    Raises:
        UsageError: the baseline has no result, or no result is usable.
        MedsearchError: a provenance file cannot be read, or a score is not a number.
    """
    of_each, faults = _usable(results, terms.measure)
    name = _baseline(of_each, results, baseline)
    base = of_each[name]
    mean_over = tuple(base)
    matches = {
        retriever: Match(
            pairs={task: (base[task], mine[task]) for task in base if task in mine},
            mean_over=mean_over if set(mean_over) <= set(mine) else (),
        )
        for retriever, mine in of_each.items()
        if retriever != name
    }
    judged, comparisons = judge_matches(matches, terms)
    rows = [
        _row(mine, base, judged.get(retriever), background_of(list(mine.values()), looks), terms)
        for retriever, mine in of_each.items()
    ]
    rows.sort(key=lambda row: _order(row, name))
    queries = {task: len(mine[task].scores) for mine in of_each.values() for task in mine}
    tasks = {task: queries[task] for task in (*base, *sorted(set(queries) - set(base)))}
    return Board(terms, name, tasks, mean_over, tuple(rows), comparisons, tuple(faults))


def _usable(
    results: Sequence[TaskResult], measure: str
) -> tuple[dict[str, dict[str, TaskResult]], list[str]]:
    """Retriever -> task -> its one result, and a line on each that cannot be used."""
    found: dict[str, dict[str, list[TaskResult]]] = {}
    for result in results:
        found.setdefault(result.retriever, {}).setdefault(result.task, []).append(result)
    of_each: dict[str, dict[str, TaskResult]] = {}
    faults = []
    for retriever, tasks in sorted(found.items()):
        for task, several in sorted(tasks.items()):
            try:
                one = one_result(several)
                check_scores(one)
            except UnfairError as error:
                faults.append(str(error))
                continue
            if measure not in one.means:
                faults.append(f"{task}: the result of {retriever} has no {measure}: evaluate it again")
                continue
            of_each.setdefault(retriever, {})[task] = one
    if not of_each:
        raise UsageError(f"no result here can be used: {faults[0]}")
    return of_each, faults


def _baseline(of_each: Mapping[str, ByTask], results: Sequence[TaskResult], asked: str | None) -> str:
    if asked is not None:
        of_retriever(results, asked)  # says what is there where it is not
        if asked not in of_each:
            raise UsageError(f"no result of the baseline {asked!r} can be used: name another with --baseline")
        return asked
    if USUAL_BASELINE in of_each:
        return USUAL_BASELINE
    return max(sorted(of_each, reverse=True), key=lambda name: len(of_each[name]))


def _row(mine: ByTask, base: ByTask, versus: Versus | None, background: Background, terms: Terms) -> Row:
    """The row of one retriever; `versus` is `None` for the baseline."""
    scores = {
        task: _score({task: result}, background.marks[task], versus, background, terms)
        for task, result in mine.items()
    }
    over = {task: mine[task] for task in base if task in mine}
    no_mean = _no_mean(over, tuple(base))
    mean = None
    if not no_mean:
        marks = all_marks({task: background.marks[task] for task in over})
        mean = _score(over, tuple(marks), versus, background, terms)
    return Row(
        retriever=background.retriever,
        results=mine,
        scores=scores,
        mean=mean,
        no_mean=no_mean,
        background=background,
        price=price_of(list((over or mine).values())),
        notes=_notes(base, over, terms) if versus and over else (),
    )


def _score(
    over: ByTask, marks: tuple[str, ...], versus: Versus | None, background: Background, terms: Terms
) -> Score:
    """The score on one task, or the mean over several."""
    scores = {task: scores_of(result, terms.measure) for task, result in over.items()}
    keys = {task: result.query_keys for task, result in over.items()}
    what = MEAN if len(over) > 1 else next(iter(over))
    return Score(
        mean=mean_over_tasks(scores),
        interval=interval_of_means(scores, level=1 - terms.procedure.alpha, keys=keys),
        queries=sum(map(len, scores.values())),
        judged=versus.judged.get(what) if versus else None,
        reason=reason_of(versus, what),
        marks=marks,
        standing=background.standing(over),
    )


def _no_mean(over: ByTask, mean_over: tuple[str, ...]) -> str:
    """Why there is no mean; "" where there is one."""
    missing = [task for task in mean_over if task not in over]
    if missing:
        return f"incomplete: {len(over)} of {len(mean_over)} tasks; no result on {', '.join(missing)}"
    results = list(over.values())
    allowed = Allowed(unchecked=True, no_prompt=frozenset({results[0].retriever}))
    try:  # a mean is one retriever's only if it was the same on each task
        check_pairs([(result, result) for result in results], allowed)
    except UnfairError as error:
        return str(error)
    return ""


def _notes(base: ByTask, over: ByTask, terms: Terms) -> tuple[str, ...]:
    try:
        return fairness_of([(base[task], mine) for task, mine in over.items()], terms.allowed).notes
    except UnfairError:
        return ()  # its reason stands in place of the verdict


def _order(row: Row, baseline: str) -> tuple[int, float, str]:
    """Comparable first, by mean; then those that are not, then those without a mean."""
    if row.mean is None:
        return 2, 0.0, row.retriever
    return int(not (row.compared or row.retriever == baseline)), -row.mean.mean, row.retriever
