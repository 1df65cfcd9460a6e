"""A leaderboard's means count a query once, an mteb task once, and take no score and no name on trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare_material import BM25, change, some_scores
from fakes import topic_spec
from leaderboard_material import MINILM, TASKS, put, put_all

from medsearch.evaluation.intervals import interval_of_means
from medsearch.evaluation.results import read_results
from medsearch.evaluation.verdicts import compare_means
from medsearch.workbench.board.findings import FindingsRequest, findings_of
from medsearch.workbench.board.leaderboard import leaderboard
from medsearch.workbench.board.record import leaderboard_record
from medsearch.workbench.comparison.versus import MEAN, Terms

PROMPTED = topic_spec("prompted", source="hub:p/p", revision="5" * 40, query_prompt="query: ")
TERMS = Terms()


def test_queries_that_several_tasks_ask_are_drawn_and_flipped_together(tmp_path: Path) -> None:
    keys = {f"q{n}": f"words {n}" for n in range(60)}
    for seed, spec in ((0, MINILM), (50, BM25)):
        for number, (task, queries) in enumerate(TASKS.items()):
            change(
                put(tmp_path, task, spec, some_scores(seed + number, queries=queries)), "query_keys", to=keys
            )
    board = leaderboard(read_results(tmp_path), [], TERMS)
    scores = {
        seed: {task: some_scores(seed + n, queries=size) for n, (task, size) in enumerate(TASKS.items())}
        for seed in (0, 50)
    }
    of_tasks = dict.fromkeys(TASKS, keys)
    row = board.row("bm25")
    assert row is not None
    assert row.mean is not None
    assert row.mean.judged is not None
    expected = compare_means({task: (scores[0][task], scores[50][task]) for task in TASKS}, keys=of_tasks)
    assert row.mean.judged.comparison == expected
    assert (expected.queries, expected.distinct) == (124, 60)
    assert row.mean.interval == interval_of_means(scores[50], keys=of_tasks) != interval_of_means(scores[50])


def test_parts_of_an_mteb_task_share_a_weight_in_every_mean(tmp_path: Path) -> None:
    levels = {"mteb:N/en:all": 0.2, "mteb:N/fr:all": 0.4, "own:test": 0.9}
    for spec, more in ((MINILM, 0.0), (BM25, 0.1)):
        for task, level in levels.items():
            put(tmp_path, task, spec, dict.fromkeys(("q1", "q2", "q3"), level + more))
    found = findings_of(tmp_path, FindingsRequest(TERMS))
    row = found.board.row("bm25")
    assert row is not None
    assert row.mean is not None
    assert row.mean.mean == pytest.approx((0.3 + 0.9) / 2 + 0.1)
    assert row.mean.interval == pytest.approx((row.mean.mean, row.mean.mean))
    record = leaderboard_record(found)
    assert record["weights"] == {"mteb:N/en:all": 0.25, "mteb:N/fr:all": 0.25, "own:test": 0.5}


def test_an_impossible_score_is_a_fault_and_never_in_the_table(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, BM25, 0.1)
    change(tmp_path / "beta.test.bm25.json", "per_query", "bm25", "q3", "nDCG@10", to=700)
    board = leaderboard(read_results(tmp_path), [], TERMS)
    assert [fault.partition(" (")[0] for fault in board.faults] == [
        "beta:test: the result of bm25 gives query 'q3' a nDCG@10 of 700, which is not a number from 0 to 1"
    ]
    row = board.row("bm25")
    assert row is not None
    assert "beta:test" not in row.scores
    assert row.no_mean.startswith("incomplete: 2 of 3 tasks")


def test_a_model_under_a_second_name_without_its_prompt_is_not_comparable(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, replace(PROMPTED, name="mine-np", query_prompt=""), 0.1)
    plain = leaderboard(read_results(tmp_path), [], TERMS).row("mine-np")
    assert plain is not None
    assert plain.compared
    known = leaderboard(read_results(tmp_path), [], Terms(registry=(PROMPTED,))).row("mine-np")
    assert known is not None
    assert known.mean is not None
    assert not known.compared
    assert "mine-np was run without its query prompt 'query: '" in known.mean.reason
    assert MEAN not in known.mean.reason
