"""Reciprocal rank fusion: golden values by hand, and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.ranking import ranked
from medsearch.search.fusion import RRF_K, reciprocal_rank_fusion

scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-10, 10), max_size=8)


def test_golden_values_of_two_small_rankings() -> None:
    first = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    second = {"q": {"c": 0.9, "a": 0.8}}
    fused = reciprocal_rank_fusion([first, second])["q"]
    # By hand, with k = 60: a is 1st and 2nd, b 2nd, c 3rd and 1st.
    assert fused == pytest.approx({"a": 1 / 61 + 1 / 62, "b": 1 / 62, "c": 1 / 63 + 1 / 61})
    assert [doc_id for doc_id, _ in ranked(fused)] == ["a", "c", "b"]


def test_equal_scores_rank_as_trec_eval_ranks_them() -> None:
    assert ranked({"d1": 1.0, "d3": 1.0, "d2": 1.0, "d0": 2.0}) == [
        ("d0", 2.0),
        ("d3", 1.0),
        ("d2", 1.0),
        ("d1", 1.0),
    ]


@given(first=scores, second=scores)
def test_order_of_the_runs_does_not_matter(first: dict[str, float], second: dict[str, float]) -> None:
    one = reciprocal_rank_fusion([{"q": first}, {"q": second}])
    other = reciprocal_rank_fusion([{"q": second}, {"q": first}])
    assert one["q"] == pytest.approx(other["q"])


@given(first=scores, second=scores)
def test_exactly_the_documents_of_either_run_with_bounded_scores(
    first: dict[str, float], second: dict[str, float]
) -> None:
    fused = reciprocal_rank_fusion([{"q": first}, {"q": second}])["q"]
    assert set(fused) == set(first) | set(second)
    assert all(0 < score <= 2 / (RRF_K + 1) for score in fused.values())


@given(run=scores)
def test_fusing_a_run_with_itself_keeps_its_order(run: dict[str, float]) -> None:
    fused = reciprocal_rank_fusion([{"q": run}, {"q": run}])["q"]
    assert [d for d, _ in ranked(fused)] == [d for d, _ in ranked(run)]


@given(run=scores)
def test_only_ranks_count(run: dict[str, float]) -> None:
    renumbered = {doc_id: float(rank) for rank, (doc_id, _) in enumerate(reversed(ranked(run)))}
    assert reciprocal_rank_fusion([{"q": run}]) == reciprocal_rank_fusion([{"q": renumbered}])
