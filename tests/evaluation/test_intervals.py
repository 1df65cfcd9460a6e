"""The BCa interval against its formula written out and against scipy's own call; Wilson's by hand."""

from __future__ import annotations

import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from medsearch.errors import MedsearchError
from medsearch.evaluation.intervals import (
    bootstrap_interval,
    interval_of_mean,
    interval_of_means,
    stratified_interval,
    wilson_interval,
)

NORMAL = NormalDist()
SCORES = np.random.default_rng(1).choice([0.0, 0.0, 0.0, 0.3869, 0.6309, 1.0], 90)
OTHERS = np.random.default_rng(2).choice([0.0, 0.5, 1.0], 25)


def bca_by_hand(strata: list[NDArray[np.float64]], level: float, resamples: int) -> tuple[float, float]:
    """Efron 1987, with the acceleration of a mean of means in closed form instead of by a jackknife."""
    random = np.random.default_rng(10)
    means = np.zeros(resamples)
    for values in strata:
        counts = random.multinomial(len(values), np.full(len(values), 1 / len(values)), size=resamples)
        means += counts @ values / len(values) / len(strata)
    seen = float(np.mean([values.mean() for values in strata]))
    influence = np.concatenate([(values - values.mean()) / len(values) for values in strata])
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    close = np.isclose(means, seen, atol=1e-12)
    bias = NORMAL.inv_cdf(float(((means < seen) & ~close).mean() + close.mean() / 2))
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        z = bias + NORMAL.inv_cdf(share)
        ends.append(float(np.quantile(means, NORMAL.cdf(bias + z / (1 - acceleration * z)))))
    return ends[0], ends[1]


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_one_task_and_several_against_the_formula(level: float) -> None:
    for strata in ([SCORES], [SCORES, OTHERS, OTHERS[:6]]):
        found = stratified_interval(strata, level=level, resamples=40_000)
        width = found[1] - found[0]
        # Two bootstraps of 40,000 each put a 95 % end some 1 % of the width apart.
        assert found == pytest.approx(bca_by_hand(strata, level, 40_000), abs=0.03 * width)


def test_it_is_scipys_bca_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(size=60)
    reference = stats.bootstrap((values,), np.mean, n_resamples=2_000, rng=np.random.default_rng(4))
    found = bootstrap_interval(values, resamples=2_000, seed=4)
    assert found == pytest.approx(tuple(reference.confidence_interval), abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_means_that_only_rounding_keeps_apart_are_equal(seed: int) -> None:
    tenths = np.random.default_rng(seed).choice([-3.0, -1.0, 0.0, 0.0, 1.0, 2.0, 7.0], 25)
    whole = stats.bootstrap((tenths,), np.sum, n_resamples=2_000, rng=np.random.default_rng(4))
    found = bootstrap_interval(tenths / 10, resamples=2_000, seed=4)
    # Sums of whole numbers are exact. Means of tenths, left as they come, moved an end by up to 0.008.
    assert found == pytest.approx(tuple(np.array(whole.confidence_interval) / 250), abs=1e-9)


def test_the_longer_tail_has_the_longer_arm() -> None:
    skewed = np.array([0.0] * 45 + [1.0] * 5)
    low, high = bootstrap_interval(skewed)
    assert high - 0.1 > 1.2 * (0.1 - low)
    assert low > 0


def test_where_nothing_varies_the_interval_is_the_value() -> None:
    assert bootstrap_interval([0.0] * 172) == (0.0, 0.0)
    assert bootstrap_interval([0.25] * 8) == (0.25, 0.25)
    assert bootstrap_interval([0.7]) == (0.7, 0.7)
    assert bootstrap_interval([0.1 + 0.2, 0.3, 0.3]) == pytest.approx((0.3, 0.3))
    assert stratified_interval([[0.5], [0.0, 0.0]]) == (0.25, 0.25)


@pytest.mark.parametrize("constant", [[0.3], [0.3, 0.3, 0.3]])
def test_a_task_without_spread_only_shifts_the_mean_over_tasks(constant: list[float]) -> None:
    low, high = bootstrap_interval(SCORES)
    found = stratified_interval([constant, SCORES])
    assert found == pytest.approx(((0.3 + low) / 2, (0.3 + high) / 2), abs=1e-12)


def test_every_task_weighs_the_same() -> None:
    many = np.tile(OTHERS, 200)
    low, high = stratified_interval([many, OTHERS])
    width = bootstrap_interval(OTHERS)[1] - bootstrap_interval(OTHERS)[0]
    # The 5,000 queries have hardly any spread, so what is left is half of that of the 25.
    assert high - low == pytest.approx(width / 2, rel=0.05)


def test_intervals_of_scores_by_query_do_not_depend_on_the_order() -> None:
    first = {f"q{number:02}": float(score) for number, score in enumerate(SCORES)}
    second = {f"q{number:02}": float(score) for number, score in enumerate(OTHERS)}
    backwards = dict(reversed(first.items()))
    assert interval_of_mean(first) == interval_of_mean(backwards) == bootstrap_interval(SCORES)
    assert interval_of_mean(first, level=0.8)[0] > interval_of_mean(first)[0]
    means = interval_of_means({"a": first, "b": second})
    assert means == interval_of_means({"b": second, "a": backwards})
    assert means == stratified_interval([SCORES, OTHERS])


def test_no_scores_are_an_error() -> None:
    for call in (lambda: bootstrap_interval([]), lambda: interval_of_means({}), lambda: interval_of_mean({})):
        with pytest.raises(MedsearchError, match="there are no scores to make an interval of"):
            call()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_interval_is_of_values_that_occur_and_mirrors(values: list[float]) -> None:
    low, high = bootstrap_interval(values, resamples=1_000)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    mirrored = bootstrap_interval([1 - value for value in values], resamples=1_000)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_memory_is_bounded() -> None:
    values = np.random.default_rng(5).normal(size=4_000)
    bootstrap_interval(values[:10], resamples=10)  # imports count too
    tracemalloc.start()
    try:
        bootstrap_interval(values, resamples=4_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6  # all resamples at once, and all jackknife samples, would take 128 MB each


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # z² = 3.841459: all or none have one end at 0 or 1 and the other at z² / (n + z²) from there.
        (0, 10, 0.0, 3.841459 / 13.841459),
        (40, 40, 40 / 43.841459, 1.0),
        # (5 + z² / 2) / (10 + z²) = 0.5, and z * sqrt(10 / 4 + z² / 4) / (10 + z²) = 0.263407 each side.
        (5, 10, 0.236593, 0.763407),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_hand(successes: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=1e-6)


def test_wilson_levels_and_impossible_counts() -> None:
    assert wilson_interval(5, 10, level=0.8)[0] > wilson_interval(5, 10)[0]
    for successes, total in ((3, 2), (1, 0)):
        with pytest.raises(ValueError, match="n"):
            wilson_interval(successes, total)
