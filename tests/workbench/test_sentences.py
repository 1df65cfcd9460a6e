"""What is said of a comparison: numbers as people read them, and no difference that no score can have."""

from __future__ import annotations

import numpy as np
import pytest

from medsearch.evaluation.verdicts import JudgedComparison, compare_means, compare_scores, with_holm
from medsearch.workbench.comparison.sentences import sentence, weights_note
from medsearch.workbench.comparison.written import MINUS, effect, p_equals, p_value, points, signed


def by_query(values: object) -> dict[str, float]:
    return {f"q{number:05}": float(value) for number, value in enumerate(np.asarray(values))}


def judged(a: object, b: object) -> JudgedComparison:
    return with_holm({"t": compare_scores(by_query(a), by_query(b))})["t"]


def test_a_difference_that_no_score_can_have_is_not_offered() -> None:
    # Of seven queries the second retriever wins four and loses three by all there is: 2.45 + 0.91 standard
    # errors of 0.41 make 1.4, more than the 1 that lies between the worst and the best retriever.
    found = judged([0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0])
    assert found.comparison.spread is not None
    assert found.smallest_detectable is None
    assert found.comparison.smallest_detectable is None
    assert sentence("t:dev", "A", "B", found) == (
        "t:dev: B and A are not distinguishable with 7 queries; no difference could have been shown reliably "
        "with 7 queries."
    )


def test_the_room_for_a_difference_is_what_the_first_leaves_up_or_down() -> None:
    random = np.random.default_rng(1)
    few = judged(random.choice([0.0, 1.0], 9), random.choice([0.0, 1.0], 9))
    spread = few.comparison.spread
    assert spread is not None
    assert few.smallest_detectable is None or few.smallest_detectable <= max(
        few.comparison.a, 1 - few.comparison.a
    )
    many = judged(random.choice([0.0, 1.0], 200), random.choice([0.0, 1.0], 200))
    assert many.smallest_detectable is not None
    assert many.smallest_detectable < 0.5


def test_where_only_few_queries_differ_that_is_said() -> None:
    same = [0.5] * 1500
    found = judged(same, [0.4, 0.7, *same[2:]])
    assert sentence("t:dev", "A", "B", found) == (
        "t:dev: B and A are not distinguishable with 1,500 queries; no difference could have been shown "
        "reliably with 1,500 queries, of which only 2 differ."
    )
    assert found.verdict == "not distinguishable with 1500 queries"  # what stands in JSON stays plain


def test_numbers_have_one_minus_sign_and_small_p_is_a_bound() -> None:
    values = np.random.default_rng(2).uniform(0.4, 0.6, 4_490)
    said = sentence("t:dev", "A", "B", judged(values, values - 0.0212 - values / 50))
    low = f"{MINUS}3.1"
    assert f"B is worse than A by 3.1 points (95 % interval of the difference {low} to {low}" in said
    assert said.endswith("corrected p < 0.0001, 4,490 queries).")
    assert "-" not in said
    assert [p_value(p) for p in (0.04321, 0.0001, 1e-5)] == ["0.0432", "0.0001", "< 0.0001"]
    assert [p_equals(p) for p in (0.04321, 1e-5)] == ["p = 0.043", "p < 0.0001"]
    assert (points(-0.5), signed(0.031)) == (f"{MINUS}50.0", "+3.1")
    assert (effect(None), effect(0.123), effect(-1.0)) == ("?", "+0.12", f"{MINUS}1.00")


def test_queries_that_several_tasks_ask_are_said_to_be_fewer() -> None:
    random = np.random.default_rng(3)
    tasks = {task: (by_query(random.random(40)), by_query(random.random(40))) for task in ("a:t", "b:t")}
    keys = {task: {f"q{n:05}": str(n) for n in range(10)} for task in tasks}
    found = with_holm({"m": compare_means(tasks, keys=keys)})["m"]
    assert "not distinguishable with 80 queries, 70 of them different; a true" in sentence(
        "mean", "A", "B", found
    )


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (["a:t", "b:t"], ""),
        (["mteb:A:test", "mteb:B/x:test"], ""),
        (
            ["mteb:B/x:test", "a:t", "mteb:B/y:test", "mteb:C:dev", "mteb:C:test"],
            "in the mean, parts of one mteb task share one weight: the 2 parts of mteb:B, the 2 parts of "
            "mteb:C",
        ),
    ],
)
def test_shared_weights_are_said(tasks: list[str], said: str) -> None:
    assert weights_note(tasks) == said
