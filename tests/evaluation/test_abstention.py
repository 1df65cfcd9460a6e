"""Conformal thresholds: the promised error rate holds and is not wasted; of few questions nothing is said."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.abstention import (
    Calibration,
    Rate,
    abstention,
    calibration_record,
    conformal_threshold,
    fewest_questions,
    read_calibrations,
    separation,
    true_rate_range,
    write_calibration,
)

ERRORS = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.29, 0.5, 0.9])
SCORES = st.lists(st.floats(-1, 1) | st.sampled_from([0.0, 0.25, 0.5]), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("questions", "error", "rank"),
    [
        (19, 0.05, 1),  # floor(0.05 * 20)
        (38, 0.05, 1),
        (39, 0.05, 2),
        (9, 0.1, 1),
        (29, 0.1, 3),  # 0.1 * 30 is a little above 3 in binary fractions
        (99, 0.29, 29),  # 0.29 * 100 is a little below 29
    ],
)
def test_the_threshold_is_the_score_of_the_rank_that_the_rate_allows(
    questions: int, error: float, rank: int
) -> None:
    scores = [number / 100 for number in range(questions, 0, -1)]
    assert conformal_threshold(scores, error) == rank / 100


@pytest.mark.parametrize(("error", "needed"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.29, 3), (0.5, 1)])
def test_too_few_questions_give_no_threshold_and_the_number_needed_is_the_least(
    error: float, needed: int
) -> None:
    assert fewest_questions(error) == needed
    assert conformal_threshold([0.5] * (needed - 1), error) is None
    assert conformal_threshold([0.5] * needed, error) == 0.5
    assert abstention([-9.0, 0.0], None) == Rate(0, 2)


@given(scores=SCORES, error=ERRORS)
def test_of_any_questions_each_left_out_once_no_more_than_the_rate_are_refused(
    scores: list[float], error: float
) -> None:
    """The guarantee itself, exactly: exchangeable means that each question is as likely to be the new one."""
    refused = 0
    for number, score in enumerate(scores):
        threshold = conformal_threshold(scores[:number] + scores[number + 1 :], error)
        refused += abstention([score], threshold).abstained
    assert refused <= Fraction(str(error)) * len(scores)


@given(scores=st.lists(st.integers(), min_size=1, max_size=60, unique=True), error=ERRORS)
def test_without_ties_the_rate_is_used_up_to_the_last_whole_question(scores: list[int], error: float) -> None:
    threshold = [conformal_threshold(scores[:n] + scores[n + 1 :], error) for n in range(len(scores))]
    refused = sum(t is not None and score < t for score, t in zip(scores, threshold, strict=True))
    assert refused == Fraction(str(error)) * len(scores) // 1


def test_over_calibrations_the_true_rate_is_beta_distributed_with_a_mean_below_the_error() -> None:
    """Of uniform scores the true rate of a threshold is the threshold (Angelopoulos & Bates 2021, 3.2)."""
    rng = np.random.default_rng(7)
    questions, error, draws = 50, 0.1, 4000
    rates = [conformal_threshold(list(rng.random(questions)), error) for _ in range(draws)]
    assert kstest(rates, beta(5, 46).cdf).pvalue > 0.01
    found = np.asarray(rates, dtype=float)
    margin = 4 * found.std() / np.sqrt(draws)
    assert abs(found.mean() - 5 / 51) < margin
    assert found.mean() < error
    low, high = true_rate_range(questions, error)
    inside = float(((low <= found) & (found <= high)).mean())
    assert abs(inside - 0.95) < 4 * np.sqrt(0.95 * 0.05 / draws)


def test_no_range_where_no_threshold_can_be_stated_and_a_narrow_one_for_many_questions() -> None:
    assert true_rate_range(18, 0.05) == (0.0, 0.0)
    low, high = true_rate_range(10_000, 0.05)
    assert 0.045 < low < 0.05 < high < 0.055


def test_a_score_at_the_threshold_is_not_refused() -> None:
    assert abstention([0.4, 0.5, 0.6, 0.49999], 0.5) == Rate(2, 4)
    assert Rate(2, 4).share == 0.5
    assert Rate(0, 0).share == 0.0
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_the_interval_is_wilsons() -> None:
    # Wilson's interval of 2 in 53, computed by hand: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    assert Rate(2, 53).interval == pytest.approx((0.010408, 0.127537), abs=1e-5)


@given(
    answered=st.lists(st.integers(0, 9), min_size=1, max_size=25),
    unanswered=st.lists(st.integers(0, 9), min_size=1, max_size=25),
)
def test_separation_counts_pairs_with_ties_as_half(answered: list[int], unanswered: list[int]) -> None:
    pairs = [(1.0 if a > b else 0.5 if a == b else 0.0) for a in answered for b in unanswered]
    assert separation(answered, unanswered) == pytest.approx(sum(pairs) / len(pairs))


def test_separation_needs_both_sides() -> None:
    with pytest.raises(MedsearchError, match="no questions on one of the two sides"):
        separation([], [0.5])


@pytest.mark.parametrize("error", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_an_error_rate_that_is_none_is_refused(error: float) -> None:
    for call in (lambda: conformal_threshold([0.5], error), lambda: fewest_questions(error)):
        with pytest.raises(UsageError, match=r"must be above 0 and below 1, such as 0\.05"):
            call()


FOUND = Calibration(
    retriever="hybrid:minilm",
    corpus="covid_faq/en",
    error=0.05,
    threshold=0.45,
    statistic="cosine of the best hit",
    model="minilm",
    calibrated=149,
    calibrated_on="half of test",
    measured_on="the other half of test",
    false=Rate(11, 149),
    outside={"medquad": Rate(94, 100), "meqsum": Rate(19, 20)},
    separation=0.978,
    settings={"corpus_hash": "f" * 64},
    git_revision="abc",
    created="2026-01-01T00:00:00+00:00",
)


def test_what_is_kept_is_read_again_and_has_what_follows_from_it(tmp_path: Path) -> None:
    file = write_calibration(FOUND, tmp_path)
    assert file == tmp_path / "abstention" / "hybrid-minilm.covid_faq--en.json"
    assert read_calibrations(tmp_path) == [FOUND]
    record = json.loads(file.read_text("utf-8"))
    assert record == json.loads(json.dumps(calibration_record(FOUND)))
    assert record["all_outside"]["abstained"] == 113
    assert record["separates"] is True
    assert record["all_outside"]["share"] == pytest.approx(113 / 120)
    assert record["false"]["interval"] == list(Rate(11, 149).interval)
    assert (record["needed"], record["true_rate_range"]) == (19, list(true_rate_range(149, 0.05)))


@pytest.mark.parametrize(
    ("area", "tells"), [(0.978, True), (0.551, True), (0.55, False), (0.5, False), (0.337, False)]
)
def test_an_area_of_55_or_less_tells_nothing_unless_nothing_was_asked_outside(
    area: float, tells: bool
) -> None:
    found = replace(FOUND, separation=area)
    assert found.separates is tells
    assert calibration_record(found)["separates"] is tells
    assert replace(found, outside={}).separates


def test_a_calibration_without_a_threshold_and_others_are_kept_beside_it(tmp_path: Path) -> None:
    none = replace(FOUND, corpus="a", retriever="bm25", threshold=None)
    for each in (FOUND, none, FOUND):
        write_calibration(each, tmp_path)
    assert read_calibrations(tmp_path) == [none, FOUND]
    assert read_calibrations(tmp_path / "elsewhere") == []


def test_a_file_that_is_no_calibration_is_named(tmp_path: Path) -> None:
    file = write_calibration(FOUND, tmp_path)
    file.write_text(file.read_text("utf-8").replace('"asked": 149', '"asked": "many"'), encoding="utf-8")
    with pytest.raises(MedsearchError, match=r"en\.json: not a calibration \(false\.asked: .*calibrate`"):
        read_calibrations(tmp_path)
