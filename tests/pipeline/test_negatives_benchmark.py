"""The comparison of negative sources: hidden right passages are told from true negatives by count."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from pool_material import TOPIC_MODEL, many_pairs, many_passages, pair, passage, topic_settings, write_run

from benchmarks.negatives import Compared, compare, halves, hidden_positives, spread
from pipeline.pool_search import open_pool_search
from pipeline.recipe import MineTable, NegativeSource

RIGHT = [passage(f"right{n}", f"chest pain of the heart, number {n * 7} of {n + 40}") for n in range(4)]
FAR = [passage(f"far{n}", f"an itchy rash, number {n * 5} of {n + 90}") for n in range(6)]
PAIRS = [pair(f"r{n}", "heart and chest?", each, "q") for n, each in enumerate(RIGHT)]


def compared(folder: Path, passages: list, pairs: list) -> Compared:
    run = write_run(folder / "run", passages, pairs)
    search = open_pool_search(run, TOPIC_MODEL, topic_settings(folder), Heard())
    table = MineTable(base_model=TOPIC_MODEL, negatives=2, first_rank=1)
    return Compared(search, pairs, table, 100, Heard())


@pytest.fixture(autouse=True)
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())


def test_half_of_the_right_passages_are_hidden() -> None:
    alone = pair("alone", "what itches?", FAR[0])
    known, hidden = halves([*PAIRS, alone], 0.8)
    assert [row.row_id for row in known] == ["r0", "r2", "alone"]
    assert hidden == {"r0": frozenset({"right1", "right3"}), "r2": frozenset({"right1", "right3"})}


def test_hidden_right_passages_are_stopped_by_their_score_alone(tmp_path: Path) -> None:
    measured = hidden_positives(compared(tmp_path, [*RIGHT, *FAR], PAIRS))
    assert (measured["rows"], measured["hidden"]) == (2, 4)
    dense = measured[NegativeSource.DENSE]
    assert dense["without score guards"]["false"] == 4
    assert dense["without score guards"]["false_share"] == 1.0
    assert dense["all guards"] == {"negatives": 4, "false": 0, "false_share": 0.0, "rows_with_a_false_one": 0}


def test_sources_differ_as_they_should(tmp_path: Path) -> None:
    passages = many_passages(60)
    measured = compare(compared(tmp_path, passages, many_pairs(passages)))
    score = {source: facts["score"]["mean"] for source, facts in measured["sources"].items()}
    assert score["dense"] > score["bm25"] > score["random"]
    assert measured["shared_negatives"]["dense and mixed"] > measured["shared_negatives"]["random and dense"]
    for facts in measured["sources"].values():
        stopped = sum(facts["rejected"].values()) * facts["candidates"]
        assert facts["candidates"] - stopped == pytest.approx(
            facts["negatives"], abs=0.01 * facts["candidates"]
        )


def test_rows_are_spread_evenly() -> None:
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread(list(range(3)), 5) == [0, 1, 2]
    assert len(spread(list(range(1001)), 500)) == 500
