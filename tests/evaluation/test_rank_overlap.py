"""Rank-biased overlap against published values, and against its definition taken literally."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.errors import UsageError
from medsearch.evaluation.rank_overlap import PERSISTENCE, rank_biased_overlap

rankings = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=12)
persistences = st.floats(0.05, 0.95)


def by_definition(first: list[str], second: list[str], p: float, depths: int = 2000) -> float:
    """(1 - p) * sum of p**(d-1) * agreement(d), with the agreement at each depth counted from sets."""
    short, long = sorted((first, second), key=len)
    at_short = len(set(short) & set(long[: len(short)])) / len(short)

    def agreement(depth: int) -> float:
        seen = min(depth, len(long))
        unseen = max(seen - len(short), 0)
        return (len(set(short[:seen]) & set(long[:seen])) + at_short * unseen) / seen

    return sum((1 - p) * p ** (depth - 1) * agreement(depth) for depth in range(1, depths))


@given(rankings.filter(bool), rankings.filter(bool), persistences)
def test_the_closed_form_is_the_definition(first: list[str], second: list[str], p: float) -> None:
    assert rank_biased_overlap(first, second, p=p) == pytest.approx(by_definition(first, second, p))


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        # README of github.com/b4ny4n/rankmeasures.
        ("12345", "23415", 0.828),
        # README of the package ranked-overlap 0.1.0.
        ("123", "132", 0.955),
    ],
)
def test_values_that_other_implementations_publish(first: str, second: str, value: float) -> None:
    assert rank_biased_overlap(first, second, p=0.9) == pytest.approx(value, abs=5e-4)


def test_the_rankings_of_the_papers_first_table() -> None:
    """Agreements at depths 1 to 7 as printed there: 0, 0, 0.667, 0.5, 0.4, 0.333, 0.286."""
    agreements = [0, 0, 2 / 3, 2 / 4, 2 / 5, 2 / 6, 2 / 7]
    p = 0.9
    known = (1 - p) * sum(p**rank * agreement for rank, agreement in enumerate(agreements))
    assert rank_biased_overlap("abcdefg", "zcavwxy", p=p) == pytest.approx(known + agreements[-1] * p**7)


def test_lists_of_unequal_length_by_hand() -> None:
    # S = <a>, L = <b, a>: agreement 0 at depth 1, (1 + 0) / 2 from depth 2 on.
    assert rank_biased_overlap(["a"], ["b", "a"], p=0.5) == pytest.approx(0.25)
    # S = <a>, L = <a, b>: full agreement at depth 1 is taken to go on.
    assert rank_biased_overlap(["a"], ["a", "b"], p=0.5) == pytest.approx(1.0)


@given(rankings, rankings, persistences)
def test_it_is_symmetric_and_lies_between_0_and_1(first: list[str], second: list[str], p: float) -> None:
    value = rank_biased_overlap(first, second, p=p)
    assert value == pytest.approx(rank_biased_overlap(second, first, p=p))
    assert -1e-12 <= value <= 1 + 1e-12
    assert rank_biased_overlap(first, first, p=p) == pytest.approx(1.0)
    if first and not set(first) & set(second):
        assert value == 0.0


def test_a_change_at_the_top_counts_more_than_one_below() -> None:
    top, bottom = "bacdefghij", "abcdefghji"
    assert rank_biased_overlap("abcdefghij", top) < rank_biased_overlap("abcdefghij", bottom) < 1.0


def test_the_first_ten_ranks_have_86_per_cent_of_the_weight() -> None:
    """Two endless lists that agree to depth 10 and then never again have the paper's weight of ten ranks."""
    first = [f"same-{n}" for n in range(10)] + [f"a-{n}" for n in range(3000)]
    second = first[:10] + [f"b-{n}" for n in range(3000)]
    assert rank_biased_overlap(first, second, p=PERSISTENCE) == pytest.approx(0.8556, abs=5e-5)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.5])
def test_a_persistence_outside_0_to_1_is_refused(p: float) -> None:
    with pytest.raises(UsageError, match=rf"the persistence p of rank-biased overlap is {p}"):
        rank_biased_overlap(["a"], ["a"], p=p)


def test_a_repeated_id_is_refused() -> None:
    with pytest.raises(UsageError, match="the same id twice"):
        rank_biased_overlap(["a", "a"], ["a"])
