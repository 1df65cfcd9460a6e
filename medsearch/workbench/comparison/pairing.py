"""Puts the results of two retrievers side by side, task by task, and says which tasks only one has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.guards import Pair, one_result
from medsearch.evaluation.results import TaskResult, of_retriever
from medsearch.evaluation.verdicts import USUAL, JudgedComparison, Procedure, Scores, compare_means, with_holm

_MEAN = ""


@dataclass(frozen=True, slots=True)
class Paired:
    """`pairs` is task -> results of A and B; `left_out` is task -> the only retriever that has it.

    Where tasks were asked for, `by_request` are all others that A or B has a result on.
    """

    pairs: Mapping[str, Pair]
    left_out: Mapping[str, str]
    by_request: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts on every task and on the mean over them; `comparisons` of them are corrected for together.

    Of a single task the mean is that task, and no comparison of its own.
    """

    tasks: Mapping[str, JudgedComparison]
    mean: JudgedComparison
    comparisons: int


def pair_results(results: Sequence[TaskResult], a: str, b: str, tasks: Sequence[str] = ()) -> Paired:
    """The tasks that both retrievers have, or of these the ones asked for.

    Raises:
        UsageError: a retriever has no result at all, or a task that was asked for is not there for both.
        UnfairError: as `one_result`.
        MedsearchError: they have no task in common.
    """
    ours, theirs = (by_task(of_retriever(results, name)) for name in (a, b))
    for task in tasks:
        _check_asked(task, {a: ours, b: theirs})
    common = [task for task in ours if task in theirs and (not tasks or task in tasks)]
    if not common:
        raise MedsearchError(
            f"{a} and {b} have no task in common: {a} has {', '.join(ours)}; {b} has {', '.join(theirs)}"
        )
    alone = {task: a for task in ours if task not in theirs} | {t: b for t in theirs if t not in ours}
    return Paired(
        pairs={task: (ours[task], theirs[task]) for task in common},
        left_out={} if tasks else alone,
        by_request=tuple(sorted({*ours, *theirs} - {*common})) if tasks else (),
    )


def by_task(results: Iterable[TaskResult]) -> dict[str, TaskResult]:
    """Task -> the result of one retriever.

    Raises:
        UnfairError: as `one_result`.
    """
    found: dict[str, list[TaskResult]] = {}
    for result in results:
        found.setdefault(result.task, []).append(result)
    return {task: one_result(several) for task, several in found.items()}


def judge(
    pairs: Mapping[str, Pair],
    measure: str,
    *,
    without: Mapping[str, frozenset[str]] | None = None,
    procedure: Procedure = USUAL,
) -> Judged:
    """Compare every pair, and the means over the tasks, with one correction over all of these.

    Queries named in `without` (task -> ids) are left out of both. In the mean tasks weigh as `task_weights`
    says, and a query that several tasks ask is one (see `compare_means`).
    """
    leaked = without or {}
    scores = {
        task: (_scores(a, measure, leaked.get(task)), _scores(b, measure, leaked.get(task)))
        for task, (a, b) in pairs.items()
    }
    keys = keys_of(pairs)
    compared = {task: compare_means({task: both}, procedure, keys) for task, both in scores.items()}
    if len(scores) > 1:
        compared[_MEAN] = compare_means(scores, procedure, keys)
    judged = with_holm(compared, procedure)
    tasks = {task: judged[task] for task in scores}
    return Judged(tasks, judged.get(_MEAN, next(iter(tasks.values()))), len(judged))


def keys_of(pairs: Mapping[str, Pair]) -> dict[str, dict[str, str]]:
    """Task -> query_id -> key of its words, by either of the two; none of files that have none."""
    return {task: {**b.query_keys, **a.query_keys} for task, (a, b) in pairs.items()}


def _scores(result: TaskResult, measure: str, without: frozenset[str] | None) -> Scores:
    left_out = without or frozenset()
    return {query: row[measure] for query, row in result.scores.items() if query not in left_out}


def _check_asked(task: str, has: Mapping[str, Mapping[str, TaskResult]]) -> None:
    known = sorted({name for of_one in has.values() for name in of_one})
    if task not in known:
        close = get_close_matches(task, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        raise UsageError(f"no result on the task {task!r}; {hint}")
    for retriever, of_one in has.items():
        if task not in of_one:
            raise UsageError(
                f"{retriever} has no result on {task}: leave the task out, or evaluate {retriever} on it"
            )
