"""The table of retrievers: what it compares, what it refuses to, and that no mean is over other tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from compare_material import BM25, change, some_scores, write_record
from fakes import topic_spec
from leaderboard_material import MINILM, PROMPT, TASKS, cost_of, full_folder, put, put_all, write_trained

from medsearch.errors import UsageError
from medsearch.evaluation.intervals import interval_of_mean, interval_of_means
from medsearch.evaluation.looks import Look
from medsearch.evaluation.results import read_results
from medsearch.evaluation.significance import holm
from medsearch.evaluation.verdicts import Outcome, compare_means, compare_scores
from medsearch.types import ModelSpec
from medsearch.workbench.board.findings import FindingsRequest, findings_of, result_folders
from medsearch.workbench.board.leaderboard import Board, leaderboard
from medsearch.workbench.comparison.versus import MEAN, Terms

OTHER = topic_spec("other", source="hub:someone/other", revision="9" * 40)


def board_of(folder: Path, baseline: str | None = None, terms: Terms | None = None) -> Board:
    return leaderboard(read_results(folder), [], terms or Terms(), baseline)


def noisy(folder: Path, spec: ModelSpec, seed: int) -> dict[str, dict[str, float]]:
    """Keep results whose scores have nothing to do with those of another seed; returns them."""
    scores = {task: some_scores(seed + n, queries=size) for n, (task, size) in enumerate(TASKS.items())}
    for task, of_task in scores.items():
        put(folder, task, spec, of_task)
    return scores


def test_scores_intervals_and_verdicts_are_those_of_the_statistics(tmp_path: Path) -> None:
    ours, theirs = noisy(tmp_path, MINILM, 0), noisy(tmp_path, OTHER, 50)
    third = noisy(tmp_path, BM25, 100)
    board = board_of(tmp_path)

    expected = {}
    for name, scores in (("other", theirs), ("bm25", third)):
        for task in TASKS:
            expected[name, task] = compare_scores(ours[task], scores[task])
        expected[name, MEAN] = compare_means({task: (ours[task], scores[task]) for task in TASKS})
    corrected = holm({key: comparison.p for key, comparison in expected.items()})

    assert board.comparisons == len(expected) == 8
    for (name, what), comparison in expected.items():
        row = board.row(name)
        assert row is not None
        score = row.mean if what == MEAN else row.scores[what]
        assert score is not None
        assert score.judged is not None
        assert score.judged.comparison == comparison
        assert score.judged.p_holm == corrected[name, what]
        assert score.mean == pytest.approx(comparison.b)
    row = board.row("other")
    assert row is not None
    assert row.mean is not None
    assert row.scores["beta:test"].interval == interval_of_mean(theirs["beta:test"])
    assert row.mean.interval == interval_of_means(theirs)
    assert row.mean.queries == sum(TASKS.values())


def test_rows_are_ordered_by_mean_and_the_baseline_has_no_verdict(tmp_path: Path) -> None:
    for spec, shift in ((MINILM, 0.0), (OTHER, 0.1), (BM25, -0.1)):
        put_all(tmp_path, spec, shift)
    board = board_of(tmp_path)
    assert [row.retriever for row in board.rows] == ["other", "minilm", "bm25"]
    outcomes = {row.retriever: row.mean.judged and row.mean.judged.outcome for row in board.rows if row.mean}
    assert outcomes == {"other": Outcome.BETTER, "minilm": None, "bm25": Outcome.WORSE}


def test_a_row_that_lacks_a_task_has_no_mean_and_says_which(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put(tmp_path, "beta:test", OTHER, some_scores(1, queries=40, shift=0.3))
    board = board_of(tmp_path)
    row = board.row("other")
    assert row is not None
    assert row.mean is None
    assert row.no_mean == "incomplete: 1 of 3 tasks; no result on alpha/en:test, gamma_of_many_words:test"
    assert row.scores["beta:test"].judged is not None
    assert board.comparisons == 1, "a mean that is not shown must not count among the comparisons"
    assert board.rows[-1] is row, "a higher mean over fewer tasks is no place"


def test_means_are_over_the_baselines_tasks_whoever_has_more(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, OTHER, 0.1)
    put(tmp_path, "extra:test", OTHER, dict.fromkeys(["a", "b"], 0.0))
    board = board_of(tmp_path)
    row = board.row("other")
    assert row is not None
    assert row.mean is not None
    assert board.mean_over == tuple(TASKS)
    assert list(board.tasks) == [*TASKS, "extra:test"]
    assert row.mean.mean == pytest.approx(sum(row.scores[task].mean for task in TASKS) / 3)
    assert row.scores["extra:test"].judged is None
    assert row.scores["extra:test"].reason == "the baseline has no result on this task"


def test_unfair_results_get_their_reason_and_no_verdict(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, OTHER, 0.3, declared_query_prompts={"other": PROMPT})
    put_all(tmp_path, BM25, -0.1)
    board = board_of(tmp_path)
    row = board.row("other")
    assert row is not None
    assert row.mean is not None
    assert row.mean.judged is None
    assert "other was run without its query prompt 'Represent this sentence: '" in row.mean.reason
    assert all(score.judged is None and score.reason for score in row.scores.values())
    assert board.comparisons == 4
    assert [row.retriever for row in board.rows] == ["minilm", "bm25", "other"]


def test_one_unfair_task_leaves_the_others_their_verdicts_but_not_the_mean(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, OTHER, 0.1)
    change(tmp_path / "beta.test.other.json", "settings", "corpus_hash", to="of another corpus")
    row = board_of(tmp_path).row("other")
    assert row is not None
    assert row.mean is not None
    assert row.scores["alpha/en:test"].judged is not None
    assert row.scores["beta:test"].judged is None
    assert row.mean.judged is None
    assert "beta:test: minilm and other differ in corpus_hash" in row.mean.reason


def test_a_retriever_that_changed_between_tasks_has_no_mean(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, OTHER, 0.1)
    change(tmp_path / "beta.test.other.json", "settings", "models", "other", "revision", to="8" * 40)
    row = board_of(tmp_path).row("other")
    assert row is not None
    assert row.mean is None
    assert row.no_mean.startswith("other differs in revision of other between alpha/en:test")


def test_two_unlike_results_of_one_retriever_are_not_chosen_between(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    file = put(tmp_path, "beta:test", OTHER, some_scores(1, queries=40))
    second = write_record(tmp_path, json.loads(file.read_text("utf-8")), number=2)
    change(second, "settings", "search", to="approximate")
    put(tmp_path, "alpha/en:test", OTHER, some_scores(0, queries=60))
    board = board_of(tmp_path)
    row = board.row("other")
    assert row is not None
    assert list(row.scores) == ["alpha/en:test"]
    assert len(board.faults) == 1
    assert "other has two results that differ in search ('approximate', 'exact')" in board.faults[0]


def test_a_run_of_unknown_making_is_compared_only_unchecked_and_then_marked(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, OTHER, 0.1)
    for file in tmp_path.glob("*.other.json"):
        change(file, "settings", "models", to=...)
    row = board_of(tmp_path).row("other")
    assert row is not None
    assert row.mean is not None
    assert "does not say models" in row.mean.reason
    row = board_of(tmp_path, terms=Terms(unchecked=True)).row("other")
    assert row is not None
    assert row.mean is not None
    assert row.mean.judged is not None
    assert row.mean.marks == ("fairness not checked",)


def test_candidates_looks_and_marks_stand_beside_the_score(tmp_path: Path) -> None:
    trained = write_trained(tmp_path / "trained", "mine", tasks=("alpha/en:test",))
    put_all(tmp_path / "results", MINILM, 0.0)
    put_all(tmp_path / "results", trained, 0.1)
    look = Look(
        when=datetime(2026, 1, 2, tzinfo=UTC), task="beta:test", retriever="any", family="minilm",
        revision="1", suite="s", git_revision="", queries=40,
    )  # fmt: skip
    board = leaderboard(read_results(tmp_path / "results"), [look, look], Terms())
    row = board.row("mine")
    assert row is not None
    assert row.mean is not None
    assert row.mean.standing.candidates == 12
    assert row.mean.standing.looks == 2
    assert row.scores["beta:test"].standing.looks == 2
    assert row.scores["alpha/en:test"].standing.looks == 0
    assert row.scores["alpha/en:test"].marks == ("used to choose this model",)
    assert row.mean.marks == ("used to choose this model (alpha/en:test)",)
    row = leaderboard(read_results(tmp_path / "results"), None, Terms()).row("mine")
    assert row is not None
    assert row.scores["beta:test"].standing.looks is None, "without a ledger nothing is known"


def test_the_baseline_is_minilm_else_who_has_most_tasks_else_who_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "beta:test", BM25, some_scores(1))
    for task in ("alpha/en:test", "beta:test"):
        put(tmp_path, task, OTHER, some_scores(1))
    assert board_of(tmp_path).baseline == "other"
    assert board_of(tmp_path, "bm25").baseline == "bm25"
    put(tmp_path, "beta:test", MINILM, some_scores(1))
    assert board_of(tmp_path).baseline == "minilm"
    with pytest.raises(UsageError, match=r"no result of 'minilms' in .*; did you mean minilm\?"):
        board_of(tmp_path, "minilms")


def test_of_a_single_task_the_mean_is_the_task_and_no_second_comparison(tmp_path: Path) -> None:
    put(tmp_path, "beta:test", MINILM, some_scores(1))
    put(tmp_path, "beta:test", OTHER, some_scores(1, shift=0.1))
    board = board_of(tmp_path)
    row = board.row("other")
    assert row is not None
    assert row.mean is not None
    assert board.comparisons == 1
    assert row.mean.judged == row.scores["beta:test"].judged
    assert row.mean.interval == row.scores["beta:test"].interval


def test_a_measure_that_a_result_lacks_is_told(tmp_path: Path) -> None:
    put(tmp_path, "beta:test", MINILM, some_scores(1))
    with pytest.raises(UsageError, match="the result of minilm has no nDCG@7: evaluate it again"):
        board_of(tmp_path, terms=Terms(measure="nDCG@7"))


def test_prices_are_medians_or_the_highest_over_the_tasks(tmp_path: Path) -> None:
    for level, (task, queries) in zip((1.0, 2.0, 4.0), TASKS.items(), strict=True):
        put(tmp_path, task, MINILM, some_scores(1, queries=queries), cost=cost_of(level))
    price = board_of(tmp_path).rows[0].price
    assert price is not None
    assert price.figures == {
        "documents_per_second": 35.0,
        "query_ms_p50": 12.5,
        "query_ms_p99": 38.0,
        "index_bytes_per_document": 4000.0,
        "peak_memory_mib": 1240.0,
    }
    assert price.tasks == 3


def test_a_family_difference_is_noted(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, replace(OTHER, family="minilm", max_tokens=512), 0.1)
    row = board_of(tmp_path).row("other")
    assert row is not None
    assert "both are of the family minilm but differ in max_tokens (64, 512)" in row.notes[0]


def test_result_folders_are_the_folder_or_those_inside_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no results: make some with"):
        result_folders(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        result_folders(tmp_path / "nowhere")
    put(tmp_path / "second", "beta:test", MINILM, some_scores(1))
    put(tmp_path / "first", "beta:test", MINILM, some_scores(1))
    (tmp_path / "empty").mkdir()
    assert result_folders(tmp_path) == [tmp_path / "first", tmp_path / "second"]
    put(tmp_path, "beta:test", MINILM, some_scores(1))
    assert result_folders(tmp_path)[0] == tmp_path


def test_findings_bring_all_parts_together_and_leave_out_stale_ones(tmp_path: Path) -> None:
    folder = full_folder(tmp_path / "results")
    found = findings_of(folder, FindingsRequest(Terms()))
    assert sorted(found.cards) == ["bm25", "medsearch-minilm", "minilm"]
    assert [report.models for report in found.contamination] == [("medsearch-minilm",)]
    card = folder / "stress" / "minilm.json"
    change(card, "settings", "models", "minilm", "revision", to="7" * 40)
    found = findings_of(folder, FindingsRequest(Terms(), retrievers=("minilm", "bm25")))
    assert list(found.cards) == ["bm25"]
    assert [row.retriever for row in found.board.rows] == ["minilm", "bm25"]
    assert any("the stress card of minilm is of another revision" in line for line in found.warnings)
