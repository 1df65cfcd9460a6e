"""Comparisons worked out by hand, what makes them equal, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsearch.errors import MedsearchError
from medsearch.evaluation.intervals import bootstrap_interval
from medsearch.evaluation.verdicts import (
    Outcome,
    PairedComparison,
    Procedure,
    compare_means,
    compare_scores,
    comparison_record,
    with_holm,
)

A = {"q1": 0.5, "q2": 0.2, "q3": 1.0, "q4": 0.0, "q5": 0.6}
B = {"q1": 0.9, "q2": 0.1, "q3": 1.0, "q4": 0.3, "q5": 0.8}
QUICK = Procedure(permutations=500, resamples=200)
PAIRS = st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=25)


def by_query(scores: object) -> dict[str, float]:
    return {f"q{number:04}": float(score) for number, score in enumerate(np.asarray(scores))}


def judged(comparisons: Mapping[str, PairedComparison]) -> dict[str, tuple[float, str]]:
    return {key: (one.p_holm, one.verdict) for key, one in with_holm(comparisons).items()}


def test_a_comparison_by_hand() -> None:
    found = compare_scores(A, B)
    # Differences b - a: 0.4, -0.1, 0, 0.3, 0.2. Their mean is 0.16 and their standard deviation
    # sqrt((0.24² + 0.26² + 0.16² + 0.14² + 0.04²) / 4) = 0.207364.
    assert found.queries == 5
    assert (found.a, found.b, found.difference) == pytest.approx((0.46, 0.62, 0.16))
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    assert found.effect_size == pytest.approx(0.16 / 0.207364, abs=1e-5)
    # Of the 16 signs of four differences, those that reach a sum of 0.8: ++++, +-++ and their mirror images.
    assert found.p == 4 / 16
    assert found.ci == pytest.approx(bootstrap_interval([0.4, -0.1, 0.0, 0.3, 0.2]), abs=1e-9)
    assert found.smallest_detectable is None  # four signs reach no p below 0.125
    assert judged({"t": found}) == {"t": (0.25, "not distinguishable with 5 queries")}


def test_identical_runs_show_nothing() -> None:
    scores = by_query(np.random.default_rng(1).random(172))
    found = compare_scores(scores, dict(scores))
    assert (found.p, found.ci, found.difference) == (1.0, (0.0, 0.0), 0.0)
    assert (found.wins, found.ties, found.losses) == (0, 172, 0)
    assert (found.effect_size, found.smallest_detectable) == (0.0, None)
    assert judged({"t": found}) == {"t": (1.0, "not distinguishable with 172 queries")}


def test_better_and_worse_are_said_of_the_second() -> None:
    random = np.random.default_rng(2)
    low = random.random(80) / 2
    high = low + random.random(80) / 2
    up = compare_scores(by_query(low), by_query(high))
    down = compare_scores(by_query(high), by_query(low))
    assert judged({"up": up}) == {"up": (1 / 100_001, "better")}
    assert judged({"down": down}) == {"down": (1 / 100_001, "worse")}
    assert up.ci[0] > 0 > down.ci[1]
    assert up.difference > (up.smallest_detectable or 1) > 0


def test_holm_over_what_was_compared_together_decides() -> None:
    six_wins = compare_scores(by_query([0.0] * 6), by_query([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    nothing = compare_scores(by_query([0.5] * 6), by_query([0.5] * 6))
    assert six_wins.p == 2 / 64
    assert judged({"a": six_wins}) == {"a": (0.03125, "better")}
    together = with_holm({"a": six_wins, "b": nothing})
    assert (together["a"].p_holm, together["a"].verdict) == (0.0625, "not distinguishable with 6 queries")
    assert together["a"].outcome is Outcome.NOT_DISTINGUISHABLE
    assert with_holm({"a": six_wins, "b": nothing}, Procedure(alpha=0.1))["a"].outcome is Outcome.BETTER
    assert with_holm({}) == {}


def test_p_that_is_just_alpha_shows_nothing() -> None:
    comparison = replace(compare_scores(A, B), p=0.05)
    assert with_holm({"t": comparison})["t"].outcome is Outcome.NOT_DISTINGUISHABLE


def test_more_comparisons_together_can_show_only_larger_differences() -> None:
    random = np.random.default_rng(3)
    comparison = compare_scores(by_query(random.random(100)), by_query(random.random(100)))
    alone = with_holm({"a": comparison})["a"].smallest_detectable
    among = with_holm(dict.fromkeys("abcdefg", comparison))["a"].smallest_detectable
    assert alone == comparison.smallest_detectable
    assert alone is not None
    assert among is not None
    # Normal quantiles: 2.6901 for 0.05 / 7 and 1.9600 for 0.05, two-sided, each with 0.8416 for the power.
    assert among / alone == pytest.approx((2.6901 + 0.8416) / (1.9600 + 0.8416), abs=0.01)


def test_the_order_of_queries_and_tasks_does_not_matter() -> None:
    random = np.random.default_rng(4)
    a, b = by_query(random.random(60)), by_query(random.random(60))
    shuffled = {query_id: a[query_id] for query_id in random.permutation(list(a)).tolist()}
    assert list(shuffled) != list(a)
    assert compare_scores(shuffled, b) == compare_scores(a, b)
    assert compare_means({"x": (a, b), "y": (A, B)}) == compare_means({"y": (A, B), "x": (shuffled, b)})


def test_the_mean_of_one_task_is_the_task() -> None:
    assert compare_means({"t": (A, B)}) == compare_scores(A, B)


def test_a_mean_over_tasks_by_hand() -> None:
    small = ({"x": 0.0, "y": 0.2}, {"x": 0.6, "y": 0.0})
    large = (by_query([0.5, 0.5, 0.5]), by_query([0.8, 0.8, 0.5]))
    found = compare_means({"small": small, "large": large})
    assert found.queries == 5
    # Means of a and b: 0.1 and 0.3 on the small task, 0.5 and 0.7 on the large one.
    assert (found.a, found.b, found.difference) == pytest.approx((0.3, 0.5, 0.2))
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    # What each sign is worth in the mean: 0.6 / 4 = 0.15 and 0.2 / 4 = 0.05; twice 0.3 / 6 = 0.05. With 0.15
    # positive the sums are 0.3, 0.2 three times, 0.1 three times and 0: half of them reach 0.2. (Were every
    # query worth the same, only a quarter would.)
    assert found.p == 8 / 16
    # d_z: 0.2 / 0.565685 on the small task and 0.2 / 0.173205 on the large one.
    assert found.effect_size == pytest.approx((0.353553 + 1.154701) / 2, abs=1e-5)


def test_a_large_task_does_not_outweigh_a_small_one_in_the_mean() -> None:
    many = np.random.default_rng(5).random(2_000) / 2
    few = np.random.default_rng(6).random(30) / 2
    tasks = {
        "many": (by_query(many), by_query(many + 0.02)),
        "few": (by_query(few + 0.2), by_query(few / 2)),
    }
    found = compare_means(tasks, Procedure(permutations=5_000, resamples=1_000))
    assert found.difference == pytest.approx((0.02 - 0.2 - few.mean() / 2) / 2)
    assert (found.wins, found.losses) == (2_000, 30)
    assert with_holm({"mean": found})["mean"].outcome is Outcome.WORSE
    assert found.ci[1] < 0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(PAIRS)
def test_from_the_other_side_everything_mirrors(pairs: list[tuple[float, float]]) -> None:
    a, b = by_query([one for one, _ in pairs]), by_query([two for _, two in pairs])
    there, back = compare_scores(a, b, QUICK), compare_scores(b, a, QUICK)
    assert 0 < there.p == back.p <= 1
    assert there.difference == -back.difference
    assert (there.a, there.b) == (back.b, back.a)
    assert (there.wins, there.ties, there.losses) == (back.losses, back.ties, back.wins)
    assert there.wins + there.ties + there.losses == there.queries == len(pairs)
    assert there.ci == pytest.approx((-back.ci[1], -back.ci[0]), abs=1e-9)


def test_the_record_is_json_with_these_keys() -> None:
    judged = with_holm({"t": compare_scores(A, B)})["t"]
    record = json.loads(json.dumps(comparison_record(judged), allow_nan=False))
    assert list(record) == [
        *("queries", "distinct_queries", "a", "b", "difference", "ci", "p", "p_holm", "effect_size"),
        *("wins", "ties", "losses", "smallest_detectable", "verdict"),
    ]
    assert record["ci"] == list(judged.comparison.ci)
    assert (record["p"], record["p_holm"], record["wins"]) == (0.25, 0.25, 3)
    assert record["verdict"] == "not distinguishable with 5 queries"


def test_different_queries_are_refused_with_counts_and_an_example() -> None:
    fewer = {query_id: score for query_id, score in B.items() if query_id != "q3"}
    with pytest.raises(MedsearchError) as caught:
        compare_scores(A, fewer)
    assert str(caught.value) == (
        "the two were not scored on the same queries (5 and 4; 1 of only one, such as 'q3'): "
        "evaluate both with the same judgements"
    )
    with pytest.raises(MedsearchError, match=r"^medquad:test: the two were not scored on the same queries"):
        compare_means({"covid_qa:test": (A, B), "medquad:test": (fewer, A)})


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(MedsearchError, match=r"^there is no query to compare$"):
        compare_scores({}, {})
    with pytest.raises(MedsearchError, match=r"^t: there is no query to compare$"):
        compare_means({"t": ({}, {})})
    with pytest.raises(MedsearchError, match=r"^there is no task to compare$"):
        compare_means({})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(wrong: float) -> None:
    with pytest.raises(MedsearchError, match="a score of query 'q2' is not a finite number"):
        compare_scores(A | {"q2": wrong}, B)
    with pytest.raises(MedsearchError, match="a score of query 'q2' is not a finite number"):
        compare_scores(A, B | {"q2": wrong})
