"""The randomisation test against enumeration in whole numbers and scipy; Holm against closed testing."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medsearch.evaluation.significance import RandomisationTest, holm, randomisation_test

TENTHS = st.lists(st.integers(-10, 10), max_size=10)
ANY = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40)
P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(1e-6, 1), max_size=7)


def exact_p(tenths: Sequence[int]) -> float:
    """p from how often each whole-numbered sum occurs over all signs, so nothing is rounded."""
    sums = Counter({0: 1})
    for value in tenths:
        after: Counter[int] = Counter()
        for total, times in sums.items():
            after[total + value] += times
            after[total - value] += times
        sums = after
    extreme = sum(times for total, times in sums.items() if abs(total) >= abs(sum(tenths)))
    return extreme / 2 ** len(tenths)


def noise(p: float, draws: int) -> float:
    """How far a p from so many draws may be off: beyond 4 standard deviations once in 16,000 times."""
    return 4 * (p * (1 - p) / draws) ** 0.5 + 1 / draws


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # only all plus and all minus reach 6
        ([1.0, 2.0, -1.0], 6 / 8),  # of |sums| 4, 0, 2, 2 and their mirror images, 0 is below 2
        ([0.2, 0.2, 0.2, 0.2, 0.2, 0.2], 2 / 64),  # the fewest queries that reach p < 0.05
        ([0.3, -0.1, -0.2], 1.0),  # in floating point this sums to 3e-17, not to 0
        ([0.5], 1.0),
    ],
)
def test_golden_values_by_hand(differences: list[float], p: float) -> None:
    found = randomisation_test(differences)
    assert found == RandomisationTest(p, 2 ** len(differences), exact=True)


def test_queries_that_tie_and_identical_runs() -> None:
    assert randomisation_test([0.0] * 500) == RandomisationTest(1.0, 1, exact=True)
    assert randomisation_test([]) == RandomisationTest(1.0, 1, exact=True)
    # What is less than rounding is a tie: as a sign it would make this exact test one over 2**60 patterns.
    assert randomisation_test([1.0, 2.0, 3.0, *[1e-12, -1e-12] * 30]).permutations == 8


@settings(derandomize=True, deadline=None)
@given(TENTHS)
def test_exact_p_counts_equal_sums_as_extreme_however_they_round(tenths: list[int]) -> None:
    found = randomisation_test([value / 10 for value in tenths])
    assert found.exact
    assert found.p == pytest.approx(exact_p(tenths), abs=1e-15)


@pytest.mark.parametrize("shift", [0, 1])
def test_drawn_p_of_scores_full_of_equal_sums_is_the_exact_one_but_for_chance(shift: int) -> None:
    random = np.random.default_rng(3)
    tenths = [int(value) + shift for value in random.choice([-5, -2, 0, 0, 1, 3, 4], 60)]
    expected = exact_p(tenths)
    found = randomisation_test([value / 10 for value in tenths])
    assert not found.exact
    assert found.permutations == 100_000
    assert found.p == pytest.approx(expected, abs=noise(expected, 100_000))
    assert 0.001 < expected < 0.999


def test_the_switch_to_drawing_is_where_the_patterns_outnumber_the_permutations() -> None:
    differences = np.linspace(-0.4, 1.0, 10)
    assert randomisation_test(differences, permutations=1024) == randomisation_test(differences)
    drawn = randomisation_test(differences, permutations=1023)
    assert (drawn.permutations, drawn.exact) == (1023, False)


def test_exact_p_is_scipys() -> None:
    random = np.random.default_rng(5)
    for _ in range(10):
        differences = random.choice([0.0, 0.37, -0.37, 0.5, 1.0, -0.63], 12) + random.choice([0.0, 0.1], 12)
        reference = stats.permutation_test((differences,), np.mean, permutation_type="samples")
        assert randomisation_test(differences).p == pytest.approx(float(reference.pvalue), abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1])
def test_drawn_p_is_scipys_but_for_chance(shift: float) -> None:
    differences = np.random.default_rng(6).normal(shift, 0.3, 80)
    reference = float(
        stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=7
        ).pvalue
    )
    found = randomisation_test(differences, permutations=20_000).p
    # scipy doubles the smaller of two one-sided counts, so it draws more noise; both errors add up.
    assert found == pytest.approx(reference, abs=2 * noise(reference, 20_000))


def test_p_is_never_0_and_the_seed_decides_it() -> None:
    clear = randomisation_test([0.5] * 100, permutations=999)
    assert clear.p == 1 / 1000
    unclear = np.random.default_rng(8).normal(0.02, 0.3, 100)
    assert randomisation_test(unclear, seed=1) == randomisation_test(unclear, seed=1)
    assert randomisation_test(unclear, seed=1) != randomisation_test(unclear, seed=2)


@settings(derandomize=True, deadline=None)
@given(ANY)
def test_p_is_a_probability_and_the_same_from_the_other_side(differences: list[float]) -> None:
    found = randomisation_test(differences, permutations=500)
    assert 0 < found.p <= 1
    assert randomisation_test([-value for value in differences], permutations=500) == found


@settings(derandomize=True, deadline=None)
@given(ANY, st.integers(1, 30))
def test_more_queries_that_tie_change_nothing(differences: list[float], ties: int) -> None:
    found = randomisation_test([*differences, *[0.0] * ties], permutations=500)
    assert found == randomisation_test(differences, permutations=500)


def test_memory_does_not_grow_with_the_queries() -> None:
    differences = np.random.default_rng(9).normal(0, 0.3, 5_000)
    tracemalloc.start()
    try:
        randomisation_test(differences, permutations=20_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e6  # a byte for each sign would take 100 MB


def test_holm_by_hand() -> None:
    # Holm's steps: 0.01 * 4, then 0.02 * 3, then 0.03 * 2 (no less than the one before), then 0.5 * 1.
    found = holm({"c": 0.03, "a": 0.01, "d": 0.5, "b": 0.02})
    assert found == pytest.approx({"c": 0.06, "a": 0.04, "d": 0.5, "b": 0.06})
    assert list(found) == ["c", "a", "d", "b"]
    assert holm({"x": 0.6, "y": 0.7}) == {"x": 1.0, "y": 1.0}
    assert holm({"alone": 0.04}) == {"alone": 0.04}
    assert holm({}) == {}


@settings(derandomize=True, deadline=None)
@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values: dict[str, float]) -> None:
    """What the step-down is short for: a hypothesis falls when every set of hypotheses it is in falls."""
    found = holm(p_values)
    for key, p in p_values.items():
        others = [other for name, other in p_values.items() if name != key]
        sets = itertools.chain.from_iterable(
            itertools.combinations(others, size) for size in range(len(others) + 1)
        )
        worst = max(min(1.0, (len(rest) + 1) * min((p, *rest))) for rest in sets)
        assert found[key] == pytest.approx(worst)
        assert p <= found[key] <= 1
