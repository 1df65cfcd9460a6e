"""Effect size, spread and the smallest detectable difference: by hand, and against the noncentral t."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medsearch.evaluation.effects import Spread, effect_size, smallest_detectable, spread_of


def test_effect_size_by_hand() -> None:
    # Mean 0.2; squared deviations 0.01 + 0 + 0.01, over n - 1 = 2: standard deviation 0.1.
    assert effect_size([np.array([0.1, 0.2, 0.3])]) == pytest.approx(2.0)
    assert effect_size([np.array([-0.1, -0.2, -0.3])]) == pytest.approx(-2.0)
    assert effect_size([np.array([0.1, 0.2, 0.3]), np.zeros(5)]) == pytest.approx(1.0)


def test_effect_size_without_spread() -> None:
    assert effect_size([np.zeros(4)]) == 0.0
    assert effect_size([np.zeros(1)]) == 0.0
    assert effect_size([np.full(4, 0.1)]) is None
    assert effect_size([np.array([0.1])]) is None
    assert effect_size([np.array([0.1, 0.2, 0.3]), np.full(4, 0.1)]) is None


def test_spread_of_one_task_is_the_standard_error_of_its_mean() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.3, 40)
    spread = spread_of([differences])
    assert spread is not None
    assert spread.standard_error == pytest.approx(float(stats.sem(differences)))
    assert spread.degrees == pytest.approx(39)
    assert spread.differing == 40


def test_spread_over_two_tasks_is_welchs() -> None:
    one, two = np.random.default_rng(2).normal(0, 0.3, 40), np.random.default_rng(3).normal(0, 0.1, 12)
    spread = spread_of([one, two])
    # Welch's test divides the difference of two means by the error that half their sum has twice of.
    welch = stats.ttest_ind(one, two, equal_var=False)
    assert spread is not None
    assert spread.degrees == pytest.approx(float(welch.df))
    error = (one.mean() - two.mean()) / float(welch.statistic)
    assert spread.standard_error == pytest.approx(error / 2)


def test_spread_that_the_data_do_not_tell() -> None:
    assert spread_of([np.array([0.1, 0.2]), np.array([0.3])]) is None
    assert spread_of([np.full(9, 0.1)]) is None
    spread = spread_of([np.zeros(9), np.array([0.0, 0.2, -0.2])])
    assert spread is not None
    assert (spread.degrees, spread.differing) == (pytest.approx(2), 2)


def test_smallest_detectable_by_table() -> None:
    # Above 2.262157 lie 2.5 % of Student's t with 9 degrees, above 0.883404 20 %; normal: 1.959964, 0.841621.
    few = smallest_detectable(Spread(0.1, 9, 10), alpha=0.05, power=0.8)
    assert few == pytest.approx(0.1 * (2.262157 + 0.883404), abs=1e-6)
    many = smallest_detectable(Spread(0.1, 1e9, 10), alpha=0.05, power=0.8)
    assert many == pytest.approx(0.1 * (1.959964 + 0.841621), abs=1e-6)


@pytest.mark.parametrize("queries", [10, 50, 172, 3739])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.05 / 7, 0.8), (0.05, 0.95)])
def test_a_t_test_finds_the_smallest_detectable_difference_with_the_stated_power(
    queries: int, alpha: float, power: float
) -> None:
    error = 0.3 / queries**0.5
    found = smallest_detectable(Spread(error, queries - 1, queries), alpha=alpha, power=power)
    assert found is not None
    bar = stats.t.ppf(1 - alpha / 2, queries - 1)
    exact = stats.nct(queries - 1, found / error).sf(bar)
    assert float(exact) == pytest.approx(power, abs=0.03 if queries == 10 else 0.005)


def test_nothing_is_detectable_where_too_few_queries_differ() -> None:
    # Five signs give no p below 2 / 2**5 = 0.0625, six 0.03125.
    assert smallest_detectable(Spread(0.1, 171, 5), alpha=0.05, power=0.8) is None
    assert smallest_detectable(Spread(0.1, 171, 6), alpha=0.05, power=0.8) is not None
    assert smallest_detectable(Spread(0.1, 171, 6), alpha=2 / 64, power=0.8) is None  # not below it
    assert smallest_detectable(Spread(0.1, 171, 6), alpha=0.05 / 7, power=0.8) is None
    assert smallest_detectable(None, alpha=0.05, power=0.8) is None
