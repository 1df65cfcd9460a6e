"""Compares two retrievers query by query, and says in plain words what the comparison shows.

The verdict is the randomisation test's after Holm's correction. The interval is of this one comparison, at
level 1 - alpha and uncorrected, by another method (BCa bootstrap): at the edge the two may disagree, and an
interval that leaves out 0 is no verdict.

Over several tasks, queries that are one and the same keep their signs together and are drawn together (see
`shared_queries`), and the parts of one mteb task share one weight (see `task_means`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medsearch.errors import MedsearchError
from medsearch.evaluation.effects import Spread, effect_size, smallest_detectable, spread_of_sum
from medsearch.evaluation.intervals import RESAMPLES, Interval, interval_of_sum
from medsearch.evaluation.shared_queries import NO_KEYS, Clusters, Keys, cluster_queries
from medsearch.evaluation.significance import PERMUTATIONS, SEED, TIE, holm, randomisation_test
from medsearch.evaluation.task_means import task_weights

Scores = Mapping[str, float]
"""query_id -> score of one measure."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Procedure:
    """How comparisons are made: `alpha` is the chance of a false finding, `power` that of a true one."""

    alpha: float = 0.05
    power: float = 0.8
    permutations: int = PERMUTATIONS
    resamples: int = RESAMPLES
    seed: int = SEED


USUAL = Procedure()


class Outcome(StrEnum):
    """What a comparison shows of the second retriever."""

    BETTER = "better"
    WORSE = "worse"
    NOT_DISTINGUISHABLE = "not distinguishable"


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Retriever `b` beside `a` on the same queries; nothing here is corrected for other comparisons.

    `a` and `b` are means in [0, 1], `difference` is b - a, `ci` its interval, `p` two-sided, `effect_size`
    Cohen's d_z (see `effects`). `wins` are the queries where b scores higher. `distinct` is the number of
    queries with each counted once that several tasks ask. `smallest_detectable` is the difference that the
    test alone, at alpha without Holm's correction, would find with the stated power; `None` where that is not
    known, or more than scores of 0 to 1 leave room for.
    """

    queries: int
    distinct: int
    a: float
    b: float
    difference: float
    ci: Interval
    p: float
    effect_size: float | None
    wins: int
    ties: int
    losses: int
    spread: Spread | None
    smallest_detectable: float | None


@dataclass(frozen=True, slots=True)
class JudgedComparison:
    """A comparison among all that were made together: `p_holm` is corrected for these, and decides.

    `smallest_detectable` is the difference that is found with the stated power whatever the other comparisons
    show: at alpha divided by their number, which is what Holm's first step asks. It is never below the
    comparison's own; `None` as there.
    """

    comparison: PairedComparison
    p_holm: float
    outcome: Outcome
    smallest_detectable: float | None

    @property
    def verdict(self) -> str:
        """What is said of b beside a: "better", "worse" or "not distinguishable with N queries"."""
        if self.outcome is Outcome.NOT_DISTINGUISHABLE:
            return f"{self.outcome} with {self.comparison.queries} queries"
        return str(self.outcome)


def compare_scores(a: Scores, b: Scores, procedure: Procedure = USUAL) -> PairedComparison:
    """Compare two retrievers on one task, query by query.

    Raises:
        MedsearchError: if the two were not scored on the same queries, there is none, or a score is not a
            finite number.
    """
    return compare_means({"": (a, b)}, procedure)


def compare_means(
    tasks: Mapping[str, tuple[Scores, Scores]], procedure: Procedure = USUAL, keys: Keys = NO_KEYS
) -> PairedComparison:
    """Compare the means over tasks; `tasks` is task -> (scores of a, of b), `keys` that of `shared_queries`.

    Each task weighs the same, but the parts of one mteb task share one weight (the mean over mteb tasks of
    the mean over their parts). Signs are flipped for each distinct query, over all tasks that ask it at once,
    and weigh as much as the query does in the mean; the bootstrap draws distinct queries anew among those of
    the same tasks. A query of one task only is drawn within it.

    Raises:
        MedsearchError: as `compare_scores`, naming the task, and if there is no task.
    """
    if not tasks:
        raise MedsearchError("there is no task to compare")
    pairs = {task: _paired(task, *scores) for task, scores in sorted(tasks.items())}
    clusters = cluster_queries({task: sorted(a) for task, (a, _) in tasks.items()}, keys)
    strata = [b - a for a, b in pairs.values()]
    joined = np.concatenate(strata)
    weights = task_weights(pairs)
    a, b = (sum(weights[task] * float(pair[side].mean()) for task, pair in pairs.items()) for side in (0, 1))
    spread = None if any(len(values) < 2 for values in strata) else spread_of_sum(clusters.parts(joined))
    smallest = smallest_detectable(spread, alpha=procedure.alpha, power=procedure.power)
    return PairedComparison(
        queries=len(joined),
        distinct=len(clusters),
        a=a,
        b=b,
        difference=float(clusters.sums(joined).sum()),
        ci=_interval(clusters, joined, procedure),
        p=_p(clusters, joined, procedure),
        effect_size=effect_size(strata, list(weights.values())),
        wins=int(np.count_nonzero(joined >= TIE)),
        ties=int(np.count_nonzero(np.abs(joined) < TIE)),
        losses=int(np.count_nonzero(joined <= -TIE)),
        spread=spread,
        smallest_detectable=_possible(smallest, a),
    )


def with_holm(
    comparisons: Mapping[Key, PairedComparison], procedure: Procedure = USUAL
) -> dict[Key, JudgedComparison]:
    """Judge comparisons that were made together, over tasks or models or both, by Holm's corrected p.

    A comparison shows something where its corrected p is below alpha; which way, its difference says. All
    that is looked at for one question belongs in one call: correcting over a part of it corrects too little.
    """
    corrected = holm({key: comparison.p for key, comparison in comparisons.items()})
    first_step = procedure.alpha / max(len(comparisons), 1)
    return {
        key: JudgedComparison(
            comparison=comparison,
            p_holm=corrected[key],
            outcome=_outcome(comparison.difference, corrected[key], procedure.alpha),
            smallest_detectable=_possible(
                smallest_detectable(comparison.spread, alpha=first_step, power=procedure.power), comparison.a
            ),
        )
        for key, comparison in comparisons.items()
    }


def comparison_record(judged: JudgedComparison) -> dict[str, Any]:
    """A judged comparison ready for JSON; scores and differences are of 0 to 1."""
    comparison = judged.comparison
    return {
        "queries": comparison.queries,
        "distinct_queries": comparison.distinct,
        "a": comparison.a,
        "b": comparison.b,
        "difference": comparison.difference,
        "ci": list(comparison.ci),
        "p": comparison.p,
        "p_holm": judged.p_holm,
        "effect_size": comparison.effect_size,
        "wins": comparison.wins,
        "ties": comparison.ties,
        "losses": comparison.losses,
        "smallest_detectable": judged.smallest_detectable,
        "verdict": judged.verdict,
    }


def _outcome(difference: float, p_holm: float, alpha: float) -> Outcome:
    if p_holm >= alpha:
        return Outcome.NOT_DISTINGUISHABLE
    return Outcome.BETTER if difference > 0 else Outcome.WORSE


def _interval(clusters: Clusters, differences: NDArray[np.float64], procedure: Procedure) -> Interval:
    """The bootstrap interval over clusters."""
    level, resamples, seed = 1 - procedure.alpha, procedure.resamples, procedure.seed
    return interval_of_sum(clusters.parts(differences), level=level, resamples=resamples, seed=seed)


def _p(clusters: Clusters, differences: NDArray[np.float64], procedure: Procedure) -> float:
    """The p of the randomisation test, of one sign a cluster."""
    # Weights of mean 1, because the test takes what is tiny for a tie.
    values = clusters.sums(differences) * len(differences)
    return randomisation_test(values, permutations=procedure.permutations, seed=procedure.seed).p


def _possible(smallest: float | None, a: float) -> float | None:
    """`None` for a difference that no retriever beside one of mean `a` can have, up or down."""
    return None if smallest is None or smallest > max(a, 1 - a) else smallest


def _paired(task: str, a: Scores, b: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both retrievers' scores, query by query in the order of the ids; each of shape (queries,)."""
    where = f"{task}: " if task else ""
    alone = sorted(set(a) ^ set(b))
    if alone:
        raise MedsearchError(
            f"{where}the two were not scored on the same queries ({len(a):,} and {len(b):,}; {len(alone):,} "
            f"of only one, such as {alone[0]!r}): evaluate both with the same judgements"
        )
    if not a:
        raise MedsearchError(f"{where}there is no query to compare")
    for query_id in a:
        if not (math.isfinite(a[query_id]) and math.isfinite(b[query_id])):
            raise MedsearchError(f"{where}a score of query {query_id!r} is not a finite number")
    queries = sorted(a)
    return np.array([a[query] for query in queries]), np.array([b[query] for query in queries])
