"""`medsearch stress`: its table, its JSON, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
from stress_material import write_stress

from medsearch.cli import stress as command
from medsearch.errors import UsageError
from medsearch.evaluation.stress_cards import read_cards


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the small set, found through MEDSEARCH_DATA."""
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    return write_stress(tmp_path / "data" / "stress")


def asked(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    command.add_arguments(parser)
    return parser.parse_args(["--models", "bm25", *arguments])


def test_the_table_has_every_category_all_and_the_ties(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(asked()) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["category", "pairs", "bm25"] in lines
    assert ["negation", "1", "0", "%", "[0\N{EN DASH}79]"] in lines
    assert ["organ", "2", "50", "%", "[9\N{EN DASH}91]"] in lines
    assert ["all", "3", "33", "%", "[6\N{EN DASH}79]"] in lines
    assert ["tied,", "not", "passed", "2"] in lines


def test_json_has_the_cards_and_with_failures_the_pairs(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(asked("--json", "--failures")) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record) == ["rule", "data_hash", "models", "comparisons", "failures"]
    assert record["models"]["bm25"]["all"]["passed"] == 1
    assert record["comparisons"] == []
    assert [pair["pair_id"] for pair in record["failures"]["bm25"]] == ["negation-1", "organ-1"]
    assert record["failures"]["bm25"][0]["wrong"] == "He reports chest pain now."
    assert command.run(asked("--json")) == 0
    assert "failures" not in json.loads(capsys.readouterr().out)


def test_a_retriever_named_twice_is_one_column(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked("--models", "bm25, bm25,bm25")) == 0
    twice = capsys.readouterr().out
    assert command.run(asked()) == 0
    assert twice == capsys.readouterr().out
    assert "McNemar" not in twice
    assert command.run(asked("--failures", "--categories", "negation")) == 0
    assert "bm25: 1 pair not passed" in capsys.readouterr().out


def test_two_retrievers_are_compared_pair_by_pair(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """English BM25 drops "no" as a stop word, and with it what tells the pair apart; French BM25 does not."""
    registry = (
        '[french]\nsource = "builtin:bm25"\nrevision = "1"\nkind = "sparse"\nlicence = "apache-2.0"\n'
        'parameters = { k1 = 1.2, b = 0.75, language = "french" }\n'
    )
    (tmp_path / "models.toml").write_text(registry, encoding="utf-8")
    monkeypatch.setenv("MEDSEARCH_MODELS", str(tmp_path / "models.toml"))
    write_stress(pairs, {"no": [("no-1", "no fever", "There is no fever.", "There was a fever.")]})
    assert command.run(asked("--models", "bm25,french", "--categories", "no", "--json")) == 0
    [found] = json.loads(capsys.readouterr().out)["comparisons"]
    assert found == {"first": "bm25", "second": "french", "only_first": 0, "only_second": 1, "p": 1.0}
    assert command.run(asked("--models", "bm25,french", "--categories", "no")) == 0
    told = "french passes 1 pair that bm25 does not, and the other way round 0 (McNemar, exact: p = 1)"
    assert told in capsys.readouterr().out


def test_failures_are_shown_in_full_and_cannot_steer_the_terminal(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = ("organ-9", "left\x1b[2Jlung", "A\nforged line", "Another passage")
    write_stress(pairs, {"hostile": [hostile]})
    assert command.run(asked("--failures")) == 0
    shown = capsys.readouterr().out
    assert "bm25: 3 pairs not passed" in shown
    assert "negation-1 · negation · tied · the organ" in shown
    assert "  right: He denies chest pain now." in shown
    assert "\x1b" not in shown
    assert "  right: A forged line" in shown


def test_cards_are_kept_where_asked_for(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results" / "x"
    assert command.run(asked("--out", str(out), "--json")) == 0
    shown = json.loads(capsys.readouterr().out)["models"]["bm25"]
    assert json.loads((out / "stress" / "bm25.json").read_text("utf-8")) == shown
    assert read_cards(out)["bm25"].settings["models"]["bm25"]["parameters"]["k1"] == 1.2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--categories", "sides"], "no category sides: there is negation, organ"),
        (["--categories", ","], "--categories names none"),
        (["--categories", "organ", "--out", "x"], "--out keeps whole cards"),
        (["--out", "FILE"], "it is a file; name a folder"),
        (["--models", " , "], "name at least one retriever"),
    ],
)
def test_what_cannot_be_done_is_refused(pairs: Path, arguments: list[str], said: str) -> None:
    file = pairs / "organ.jsonl"
    with pytest.raises(UsageError, match=said):
        command.run(asked(*(str(file) if word == "FILE" else word for word in arguments)))
