"""The parts of a leaderboard that have tables of their own: sizes, leaked queries, the Pareto front."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare_material import some_scores
from fakes import topic_spec
from hypothesis import given
from hypothesis import strategies as st
from leaderboard_material import (
    MINILM,
    SIZES,
    TASKS,
    cost_of,
    full_folder,
    put,
    put_all,
    put_contamination,
    write_trained,
)

from medsearch.evaluation.results import read_results
from medsearch.evaluation.verdicts import Outcome
from medsearch.types import SizeClass
from medsearch.workbench.board.leaderboard import Board, leaderboard
from medsearch.workbench.board.leaked_scores import LeakedScores, leaked_scores
from medsearch.workbench.board.pareto import front, pareto
from medsearch.workbench.board.size_classes import size_classes
from medsearch.workbench.comparison.leaked_queries import read_leak_reports
from medsearch.workbench.comparison.versus import MEAN, Terms
from medsearch.workbench.report.labels import place_labels


def board_of(folder: Path, baseline: str | None = None) -> Board:
    return leaderboard(read_results(folder), [], Terms(), baseline)


def test_each_tuned_model_is_beside_its_base_and_beside_the_next_larger_bases(tmp_path: Path) -> None:
    found = size_classes(board_of(full_folder(tmp_path / "results")))
    pairs = {table.title: {(line.model, line.base) for line in table.lines} for table in found.tables}
    assert pairs == {
        "small": {("medembed-small", "bge-small"), ("medsearch-minilm", "minilm")},
        "base": {("medembed-base", "bge-base")},
        "large": {("medembed-large", "bge-large")},
        "cross-size": {
            ("medembed-small", "bge-base"),
            ("medsearch-minilm", "bge-base"),
            ("medembed-base", "bge-large"),
        },
    }
    for table in found.tables:
        assert table.comparisons == 4 * len(table.lines), "three tasks and the mean, a line"


def test_a_size_line_has_its_own_difference_and_counts_the_tasks(tmp_path: Path) -> None:
    found = size_classes(board_of(full_folder(tmp_path / "results")))
    [line] = [line for line in found.tables[-1].lines if line.model == "medembed-base"]
    judged = line.versus.judged[line.mean]
    assert line.mean == MEAN
    assert judged.comparison.difference == pytest.approx(0.07 - 0.11)
    assert judged.outcome is Outcome.WORSE
    assert line.versus.counts == {Outcome.BETTER: 0, Outcome.WORSE: 3, Outcome.NOT_DISTINGUISHABLE: 0}
    assert line.complete


def test_a_base_without_results_is_told_of(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, SIZES["base"][1], 0.1)
    found = size_classes(board_of(tmp_path))
    assert found.tables == ()
    assert found.without_base == (
        "medembed-base has no line, since its base bge-base has no result in this folder",
    )


def test_a_size_line_over_fewer_tasks_says_so_and_an_unfair_one_has_no_verdict(tmp_path: Path) -> None:
    base, tuned = SIZES["small"]
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, base, 0.0)
    put(tmp_path, "beta:test", tuned, some_scores(1, queries=40))
    put_all(tmp_path, replace(tuned, name="other-tuned"), 0.1, depth=10)
    lines = {line.model: line for line in size_classes(board_of(tmp_path)).tables[0].lines}
    assert lines["medembed-small"].tasks == ("beta:test",)
    assert not lines["medembed-small"].complete
    assert lines["other-tuned"].versus.judged == {}
    assert "differ in depth (1000, 10)" in lines["other-tuned"].versus.reasons[MEAN]


def test_hybrids_and_models_of_no_stated_size_have_no_size(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, (replace(MINILM, name="tuned", family="minilm"), MINILM), 0.1, name="hybrid:tuned")
    put_all(tmp_path, topic_spec("unsized", family="minilm"), 0.1)
    assert size_classes(board_of(tmp_path)).tables == ()
    assert {size.value for size in SizeClass} == {"small", "base", "large"}


def leaky(tmp_path: Path, leaked: dict[str, list[str]]) -> tuple[Board, LeakedScores]:
    trained = write_trained(tmp_path / "trained", "mine")
    put_all(tmp_path / "results", MINILM, 0.0)
    put_all(tmp_path / "results", trained, 0.1)
    put_contamination(tmp_path / "results", "mine", leaked)
    board = board_of(tmp_path / "results")
    return board, leaked_scores(board, read_leak_reports(tmp_path / "results"))


def test_scores_are_shown_without_the_leaked_queries_too(tmp_path: Path) -> None:
    ids = ["q1", "q2", "q3", "not a query of it"]
    board, found = leaky(tmp_path, {"alpha/en:test": ids, "beta:test": [], "gamma_of_many_words:test": []})
    task, mean = found.scores
    scores = some_scores(0, queries=60, shift=0.1)
    left = [score for query, score in scores.items() if query not in ids]
    row = board.row("mine")
    assert row is not None
    assert row.mean is not None
    assert (task.retriever, task.task, task.leaked) == ("mine", "alpha/en:test", 3)
    assert task.full == row.scores["alpha/en:test"]
    assert task.without == pytest.approx(sum(left) / 57)
    assert task.judged is not None
    assert task.judged.comparison.queries == 57, "the baseline lacks them too"
    assert mean.task == MEAN
    assert mean.without == pytest.approx(
        (sum(left) / 57 + row.scores["beta:test"].mean + row.scores["gamma_of_many_words:test"].mean) / 3
    )
    assert found.comparisons == 2, "tasks without a leak are in no second table"
    assert found.uncovered == {}


def test_a_task_whose_every_query_leaked_has_nothing_left(tmp_path: Path) -> None:
    _, found = leaky(tmp_path, {"beta:test": [f"q{n}" for n in range(40)]})
    assert [(score.task, score.without) for score in found.scores] == [("beta:test", None), (MEAN, None)]
    assert found.scores[0].reason == "no query of beta:test is left"
    assert found.scores[1].judged is None, "a mean over fewer tasks would be another mean"
    assert found.uncovered == {"mine": ("alpha/en:test", "gamma_of_many_words:test")}


def test_what_the_baseline_has_seen_is_left_out_of_both(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, SIZES["small"][1], 0.1)
    put_contamination(tmp_path, "minilm", {"alpha/en:test": ["q1"]})
    board = board_of(tmp_path)
    found = leaked_scores(board, read_leak_reports(tmp_path))
    assert {(s.retriever, s.task, s.leaked) for s in found.scores} == {
        (name, task, 1) for name in ("minilm", "medembed-small") for task in ("alpha/en:test", MEAN)
    }


def test_clean_and_unreported_models_are_told_apart(tmp_path: Path) -> None:
    _, found = leaky(tmp_path, {task: [] for task in TASKS})
    assert (found.scores, found.clean, found.unreported) == ((), ("mine",), ())
    (tmp_path / "results" / "contamination" / "mine.json").unlink()
    board = board_of(tmp_path / "results")
    assert leaked_scores(board, []).unreported == ("mine",)


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(st.dictionaries(st.text(min_size=1), st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1))
def test_the_front_is_who_nobody_beats_and_beats_all_others(points: dict[str, tuple[float, float]]) -> None:
    best = front(points)
    assert best
    for name, point in points.items():
        beaten = any(beats(points[other], point) for other in best)
        assert beaten is (name not in best)


def test_only_comparable_means_with_a_price_are_points(tmp_path: Path) -> None:
    found = pareto(board_of(full_folder(tmp_path / "results")), "query_ms_p50")
    on_front = [point.retriever for point in found.points if point.on_front]
    assert on_front == ["bm25", "minilm", "medsearch-minilm", "medembed-base", "medembed-large"]
    assert [point.cost for point in found.points] == sorted(point.cost for point in found.points)
    assert set(found.left_out) == {"prompted", "incomplete"}
    assert "query prompt" in found.left_out["prompted"]
    assert found.left_out["incomplete"].startswith("incomplete: 1 of 3 tasks")


def test_times_of_different_machines_make_no_front(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0, cost=cost_of(1.0))
    put_all(tmp_path, SIZES["small"][1], 0.1, cost=cost_of(2.0, machine="another"))
    board = board_of(tmp_path)
    times = pareto(board, "query_ms_p50")
    assert times.no_front == "times are of 2 different machines, so no front is marked"
    assert not any(point.on_front for point in times.points)
    assert all(point.on_front for point in pareto(board, "index_bytes_per_document").points)


def test_a_price_of_some_tasks_only_is_no_point(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0, cost=cost_of(1.0))
    put_all(tmp_path, SIZES["small"][1], 0.1)
    put(tmp_path, "beta:test", SIZES["small"][1], some_scores(1, queries=40, shift=0.1), cost=cost_of(1.0))
    left_out = pareto(board_of(tmp_path), "query_ms_p50").left_out
    assert left_out == {"medembed-small": "its cost was measured on 1 of 3 tasks only"}


@given(
    st.lists(st.tuples(st.floats(60, 340), st.floats(60, 230)), min_size=1, max_size=5, unique=True),
    st.data(),
)
def test_labels_stay_in_the_plot_and_off_each_other(
    points: list[tuple[float, float]], data: st.DataObject
) -> None:
    labels = [data.draw(st.text("abc-", min_size=1, max_size=8)) for _ in points]
    places = place_labels(points, labels, size=(400, 290))
    for number, place in enumerate(places):
        assert place.box.outside(400, 290) == pytest.approx(0, abs=1e-6)
        for other in places[:number]:
            assert place.box.overlap(other.box) == 0
