"""`medsearch disagreements`: its tables and JSON, texts when asked for, nothing that steers a terminal."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
from disagreement_material import write_corpus, write_results

from medsearch.cli import disagreements as command
from medsearch.errors import UsageError
from medsearch.evaluation.stress import Outcome, StressCard
from medsearch.evaluation.stress_cards import write_card


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    write_corpus(tmp_path / "data" / "tiny")
    return write_results(tmp_path / "results")


def asked(results: Path, *arguments: str) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    command.add_arguments(parser)
    return parser.parse_args([str(results), "--a", "first", "--b", "other", *arguments])


def test_the_queries_disagreed_on_most_come_first(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked(results, "--first", "2")) == 0
    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "tiny:test, 3 queries: first beside" in lines
    assert "other [forced]; nDCG@10 times 100" in lines
    assert "1. q-none RBO 0.000 first 100.0, other 0.0" in lines
    assert "keyword · 2 words · rare: sarcoidosis" in lines
    assert "1 to none d2 (grade 2)" in lines
    assert "none to 1 d4 (not judged)" in lines
    assert "2. q-swap RBO 0.900 first 100.0, other 63.1" in lines
    assert "negation without negation 2 0.50 100.0 50.0 -50.0" in lines
    assert "q-same" not in shown
    assert "Asthma" not in shown  # texts of documents only with --texts


def test_texts_are_shown_when_asked_for(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked(results, "--texts")) == 0
    assert "Asthma of the lung." in capsys.readouterr().out


def test_one_split_lists_the_queries_of_each_group(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked(results, "--by", "negation", "--first", "1")) == 0
    shown = capsys.readouterr().out
    headed = [line for line in shown.splitlines() if line.startswith("===") or "RBO 0." in line]
    assert [line.split("   ")[0].strip() for line in headed] == [
        "=== with negation: 1 query",
        "1. q-swap",
        "=== without negation: 2 queries",
        "1. q-none",
    ]
    assert "kind" not in shown.partition("=== with")[0]


def test_json_in_a_stable_shape(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked(results, "--json", "--by", "kind", "--texts")) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["task"], record["a"], record["b"], record["queries"]) == (
        "tiny:test",
        "first",
        "other",
        3,
    )
    assert record["marks"] == {"first": [], "other": ["forced"]}
    assert record["stress"] == {}
    [group, *_] = record["groups"]["kind"]
    assert group == {
        "split": "kind",
        "name": "keyword",
        "queries": 1,
        "rbo": 0.0,
        "a": 1.0,
        "b": 0.0,
        "difference": -1.0,
        "ci": None,
    }
    first = record["disagreements"][0]
    assert list(first) == [
        *("query_id", "query", "rbo", "a", "b", "difference", "kind", "words", "rarity", "rare"),
        *("negation", "length", "moved"),
    ]
    assert first["moved"][0] == {
        "doc_id": "d2",
        "rank_a": 1,
        "rank_b": None,
        "grade": 2,
        "title": "",
        "text": "Asthma of the lung.",
    }
    assert command.run(asked(results, "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record["groups"]) == {"kind", "length", "rare", "negation"}
    assert "text" not in record["disagreements"][0]["moved"][0]


def test_stress_cards_of_the_folder_stand_beside_the_names(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = {"negation": {"n1": Outcome.PASSED, "n2": Outcome.FAILED}}
    write_card(StressCard("other", outcomes, {}, "abc", "2026-01-01"), results)
    assert command.run(asked(results)) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("tiny:test, 3 queries: first beside\nother [forced] (stress 50 % [")
    assert command.run(asked(results, "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["stress"]) == ["other"]
    assert record["stress"]["other"].startswith("stress 50 % [")


def test_of_many_rare_words_the_first_are_shown(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = tmp_path / "data" / "tiny" / "queries.jsonl"
    many = " ".join(f"rare{letter}" for letter in "abcdefghij")
    queries.write_text(queries.read_text("utf-8").replace("sarcoidosis", many), encoding="utf-8")
    assert command.run(asked(results, "--first", "1")) == 0
    assert "11 words · rare: rarea, rareb, rarec, rared, raree, raref, rareg, rareh and 2 more\n" in (
        capsys.readouterr().out
    )


def test_one_retriever_beside_itself_is_refused(results: Path) -> None:
    with pytest.raises(UsageError, match=r"--a and --b are both first: .*; name two retrievers") as refused:
        command.run(asked(results, "--b", "first"))
    assert "\n" not in str(refused.value)


def test_a_hostile_text_cannot_steer_the_terminal(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "tiny"
    text = (folder / "corpus.jsonl").read_text("utf-8").replace("Asthma", "As\\u001b[2Jth\\nma")
    (folder / "corpus.jsonl").write_text(text, encoding="utf-8")
    text = (folder / "queries.jsonl").read_text("utf-8").replace("sarcoidosis", "sar\\u001b[31m\\u202ecoid")
    (folder / "queries.jsonl").write_text(text, encoding="utf-8")
    assert command.run(asked(results, "--texts")) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "As [2Jth ma of the lung." in shown


def test_a_corpus_or_a_run_that_is_gone_is_said(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results / "tiny.test.other.run").unlink()
    with pytest.raises(UsageError, match=r"tiny\.test\.other\.run: cannot be read"):
        command.run(asked(results))
    monkeypatch.setenv("MEDSEARCH_DATA", str(results))
    with pytest.raises(UsageError, match="no corpus called 'tiny'"):
        command.run(asked(results))
