"""Intervals of a mean score, of a difference of means, and of a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsearch.errors import MedsearchError
from medsearch.evaluation.shared_queries import NO_KEYS, Keys, cluster_queries
from medsearch.evaluation.significance import SEED, TIE

Interval = tuple[float, float]
Values = Sequence[float] | NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 10_000

_BLOCK = 1_000_000
_DECIMALS = 12


def bootstrap_interval(
    values: Values, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The BCa bootstrap interval of the mean of `values`, one score or paired difference a query.

    Bias-corrected and accelerated (Efron 1987), by scipy. Values that are all equal, or a single one, say
    nothing of their spread: the interval is then the value itself, so (0, 0) for two identical runs.

    Raises:
        MedsearchError: if there is no value.
    """
    return stratified_interval([values], level=level, resamples=resamples, seed=seed)


def stratified_interval(
    strata: Sequence[Values], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The BCa bootstrap interval of the mean over `strata` (tasks) of their means, each weighing the same.

    Queries are drawn anew within each task; the tasks are taken as given, so the interval speaks of these
    tasks and no others. A task of one query, or of equal values, adds its mean and no spread.

    Raises:
        MedsearchError: if there is no task, or one has no value.
    """
    shared = [np.asarray(values, dtype=np.float64) / len(strata) for values in strata]
    return interval_of_sum(shared, level=level, resamples=resamples, seed=seed)


def interval_of_sum(
    parts: Sequence[Values], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The BCa bootstrap interval of the sum over `parts` of their means, each part resampled by itself.

    Raises:
        MedsearchError: if there is no part, or one has no value.
    """
    from scipy import stats

    arrays = [np.asarray(values, dtype=np.float64) for values in parts]
    if not arrays or not all(len(array) for array in arrays):
        raise MedsearchError("there are no scores to make an interval of")
    spread = [array for array in arrays if np.ptp(array) * len(arrays) > TIE]
    fixed = sum(float(array.mean()) for array in arrays if np.ptp(array) * len(arrays) <= TIE)
    if not spread:
        return fixed, fixed

    def sum_of_means(*samples: NDArray[np.float64], axis: int) -> Any:
        total = sum((sample.mean(axis=axis) for sample in samples), start=fixed)
        # BCa counts resamples below and at the mean that was seen; unrounded, equal means miss each other.
        return np.round(total, _DECIMALS)

    found = stats.bootstrap(
        spread,
        sum_of_means,
        n_resamples=resamples,
        # Of resamples and of jackknife samples alike, so that memory does not grow with the queries.
        batch=max(1, _BLOCK // sum(map(len, spread))),
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def interval_of_mean(scores: Mapping[str, float], *, level: float = LEVEL) -> Interval:
    """The interval of one retriever's mean on one task; `scores` is query_id -> score.

    Raises:
        MedsearchError: if there is no score.
    """
    return interval_of_means({"": scores}, level=level)


def interval_of_means(
    tasks: Mapping[str, Mapping[str, float]], *, level: float = LEVEL, keys: Keys = NO_KEYS
) -> Interval:
    """The interval of one retriever's mean over tasks; `tasks` is task -> query_id -> score.

    Tasks weigh as `task_weights` says. Queries that are one by their `keys`, or by their ids over the parts
    of an mteb task, are drawn together (see `shared_queries`).

    Raises:
        MedsearchError: if there is no task, or one has no score.
    """
    if not tasks or not all(tasks.values()):
        raise MedsearchError("there are no scores to make an interval of")
    clusters = cluster_queries({task: sorted(scores) for task, scores in tasks.items()}, keys)
    values = np.concatenate([in_order(tasks[task]) for task in clusters.order])
    return interval_of_sum(clusters.parts(values), level=level)


def in_order(scores: Mapping[str, float]) -> NDArray[np.float64]:
    """The scores by query id, so that what is drawn at random does not depend on the order in a file."""
    return np.array([scores[query_id] for query_id in sorted(scores)], dtype=np.float64)


def wilson_interval(successes: int, total: int, *, level: float = LEVEL) -> Interval:
    """The interval of a share (Wilson, JASA 1927), by scipy; (0, 1) of nothing tried.

    Raises:
        ValueError: if `successes` is not from 0 to `total`.
    """
    if total == 0 and successes == 0:
        return 0.0, 1.0
    from scipy import stats

    found = stats.binomtest(successes, total).proportion_ci(confidence_level=level, method="wilson")
    return float(found.low), float(found.high)
