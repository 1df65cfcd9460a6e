"""Measures against values worked out by hand and against an independent implementation (scikit-learn)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.measures import MAX_GRADE, MEASURES, judged_queries, mean_scores, per_query_scores

QRELS = {"q1": {"a": 2, "b": 1, "c": 0}, "q2": {"x": 1}, "none": {"a": 0}}


def test_golden_values_by_hand() -> None:
    run = {"q1": {"c": 9.0, "b": 8.0, "a": 7.0, "z": 6.0}, "q2": {"y": 1.0}}
    scores = per_query_scores(QRELS, run)
    # Ranks: c (0), b (1), a (2), z (unjudged). Gains are the grades, discounts 1 / log2(rank + 1).
    dcg = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert scores["q1"] == pytest.approx(
        {
            "nDCG@10": dcg / ideal,
            "Recall@100": 1.0,
            "MRR@10": 1 / 2,
            "MAP": (1 / 2 + 2 / 3) / 2,
            "P@10": 2 / 10,
        }
    )
    assert scores["q2"] == dict.fromkeys(MEASURES, 0.0)
    assert mean_scores(scores)["MRR@10"] == pytest.approx(1 / 4)


def test_a_query_that_the_run_lacks_scores_nothing_and_still_counts() -> None:
    scores = per_query_scores(QRELS, {"q2": {"x": 1.0}})
    assert set(scores) == {"q1", "q2"}
    assert mean_scores(scores)["nDCG@10"] == pytest.approx(0.5)


def test_queries_without_a_relevant_document_are_left_out() -> None:
    assert judged_queries(QRELS) == ["q1", "q2"]
    with pytest.raises(UsageError, match="no relevant document"):
        per_query_scores({"q": {"a": 0}}, {"q": {"a": 1.0}})


@pytest.mark.parametrize("negative", [-1, -5, -(2**31), -(10**12)])
def test_a_negative_grade_is_not_relevant_and_gains_nothing(negative: int) -> None:
    run = {"q": {"b": 3.0, "a": 2.0, "z": 1.5, "c": 1.0}}
    assert per_query_scores({"q": {"a": 1, "b": negative, "c": 2}}, run) == per_query_scores(
        {"q": {"a": 1, "b": 0, "c": 2}}, run
    )
    assert judged_queries({"q": {"a": negative}}) == []


def test_a_grade_that_would_overflow_in_trec_eval_is_refused() -> None:
    # pytrec_eval 0.5.11 gives 0 in every measure for this grade, without a word.
    with pytest.raises(MedsearchError, match="query 'q', document 'd': the grade 99999999999 is above 1,000"):
        per_query_scores({"q": {"d": 99_999_999_999}}, {"q": {"d": 1.0}})
    assert per_query_scores({"q": {"d": MAX_GRADE}}, {"q": {"d": 1.0}})["q"]["nDCG@10"] == 1.0


def test_mrr_looks_at_ten_and_ties_break_by_the_greater_id() -> None:
    qrels = {"q": {"d00": 1}}
    tied = {"q": {f"d{number:02}": 1.0 for number in range(11)}}
    assert per_query_scores(qrels, tied)["q"]["MRR@10"] == 0.0
    assert per_query_scores(qrels, tied)["q"]["MAP"] == pytest.approx(1 / 11)
    ten = {"q": {f"d{number:02}": 1.0 for number in range(10)}}
    assert per_query_scores(qrels, ten)["q"]["MRR@10"] == pytest.approx(1 / 10)


def test_ndcg_and_map_agree_with_scikit_learn_on_random_rankings() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with sentence-transformers")
    rng = np.random.default_rng(7)
    for _ in range(50):
        grades = rng.integers(0, 4, size=40)
        if not grades.any():
            continue
        scores = rng.permutation(40).astype(float)
        qrels = {"q": {f"d{i}": int(grade) for i, grade in enumerate(grades)}}
        ours = per_query_scores(qrels, {"q": {f"d{i}": float(s) for i, s in enumerate(scores)}})["q"]
        assert ours["nDCG@10"] == pytest.approx(metrics.ndcg_score([grades], [scores], k=10))
        assert ours["MAP"] == pytest.approx(metrics.average_precision_score(grades > 0, scores))
