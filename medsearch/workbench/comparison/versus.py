"""Many comparisons that are shown in one table: each checked for fairness, all corrected for together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from medsearch.evaluation.guards import Allowed, Pair, UnfairError, check_pairs
from medsearch.evaluation.results import PRIMARY, TaskResult
from medsearch.evaluation.verdicts import (
    USUAL,
    JudgedComparison,
    Outcome,
    PairedComparison,
    Procedure,
    Scores,
    compare_means,
    with_holm,
)
from medsearch.types import ModelSpec
from medsearch.workbench.comparison.pairing import keys_of

MEAN = "mean over tasks"
"""Stands where a task's name would: a task's has a colon, so none is called this.

The parts of one mteb task share one weight in it (see `task_weights`, and `weights_note`, which says so).
"""

Leaked = Mapping[str, frozenset[str]]
"""task -> ids of the queries to leave out of both sides."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Terms:
    """How comparisons are made. `unchecked` lets results pass that do not say how they were made.

    `registry` are today's entries, whose prompts no result may lack under another name.
    """

    measure: str = PRIMARY
    unchecked: bool = False
    procedure: Procedure = USUAL
    registry: tuple[ModelSpec, ...] = ()

    @property
    def allowed(self) -> Allowed:
        """What may pass the checks of fairness."""
        return Allowed(unchecked=self.unchecked, registry=self.registry)


@dataclass(frozen=True, slots=True)
class Match:
    """One retriever beside another: `pairs` is task -> results of the other and of this one.

    `mean_over` are the tasks that means are over (none: no mean). `without` are queries to leave out; `only`
    are the tasks to compare by themselves (`None`: all).
    """

    pairs: Mapping[str, Pair]
    mean_over: tuple[str, ...] = ()
    without: Leaked = field(default_factory=dict)
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Versus:
    """Of a match, task (or `MEAN`) -> verdict, or else -> the reason why there is none."""

    judged: Mapping[str, JudgedComparison]
    reasons: Mapping[str, str]

    @property
    def counts(self) -> dict[Outcome, int]:
        """Outcome -> number of tasks."""
        seen = Counter(judged.outcome for task, judged in self.judged.items() if task != MEAN)
        return {outcome: seen[outcome] for outcome in Outcome}


def judge_matches(matches: Mapping[Key, Match], terms: Terms) -> tuple[dict[Key, Versus], int]:
    """Compare all pairs of all matches, and their means; returns also how many comparisons that were.

    Holm's correction is over all of these, since a reader looks for a finding in all of them. Results that
    may not be compared are not: the reason stands in place of their verdict.
    """
    reasons = {key: _reasons(match, terms) for key, match in matches.items()}
    made: dict[tuple[Key, str], PairedComparison] = {}
    for key, match in matches.items():
        keys = keys_of(match.pairs)
        for task in match.pairs if match.only is None else match.only:
            if task not in reasons[key]:
                made[key, task] = compare_means({task: _both(match, task, terms)}, terms.procedure, keys)
        if len(match.mean_over) > 1 and MEAN not in reasons[key]:
            scores = {task: _both(match, task, terms) for task in match.mean_over}
            made[key, MEAN] = compare_means(scores, terms.procedure, keys)
    judged = with_holm(made, terms.procedure)
    found = {
        key: Versus({what: row for (whose, what), row in judged.items() if whose == key}, reasons[key])
        for key in matches
    }
    return found, len(judged)


def scores_of(result: TaskResult, measure: str, without: Iterable[str] = ()) -> dict[str, float]:
    """query_id -> score of one measure, without the queries named."""
    left_out = frozenset(without)
    return {query: row[measure] for query, row in result.scores.items() if query not in left_out}


def reason_of(versus: Versus | None, what: str) -> str:
    """Why there is no verdict on a task or on `MEAN`; "" where there is one, or nothing to compare with."""
    if versus is None or what in versus.judged:
        return ""
    return versus.reasons.get(what, "the baseline has no result on this task")


def _both(match: Match, task: str, terms: Terms) -> tuple[Scores, Scores]:
    other, mine = match.pairs[task]
    left_out = match.without.get(task, frozenset())
    return scores_of(other, terms.measure, left_out), scores_of(mine, terms.measure, left_out)


def _reasons(match: Match, terms: Terms) -> dict[str, str]:
    """Why there is no verdict, of each task and of the mean for which there is none."""
    allowed = terms.allowed
    reasons = {}
    for task, pair in match.pairs.items():
        why = _unfair([pair], allowed)
        if why:
            reasons[task] = why
        elif not set(pair[0].scores) - match.without.get(task, frozenset()):
            reasons[task] = f"{task}: no query is left"
    of_mean = next((reasons[task] for task in match.mean_over if task in reasons), "")
    if match.mean_over:
        of_mean = of_mean or _unfair([match.pairs[task] for task in match.mean_over], allowed)
    return reasons | ({MEAN: of_mean} if of_mean else {})


def _unfair(pairs: list[Pair], allowed: Allowed) -> str:
    """Why these pairs may not be compared; "" where they may."""
    try:
        check_pairs(pairs, allowed)
    except UnfairError as error:
        return str(error)
    return ""
