"""`medsearch leaderboard` and `medsearch card`: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare_material import some_scores
from leaderboard_material import MINILM, SIZES, TASKS, full_folder, put, put_all

from medsearch.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two retrievers on three tasks, in a folder of results; no ledger of looks."""
    monkeypatch.setenv("MEDSEARCH_LOOKS", str(tmp_path / "looks.jsonl"))
    put_all(tmp_path / "results" / "first", MINILM, 0.0)
    put_all(tmp_path / "results" / "first", SIZES["small"][1], 0.1)
    return tmp_path / "results"


def test_the_tables_have_scores_verdicts_and_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "first: mean nDCG@10 times 100 over 3 tasks; verdicts beside minilm, corrected for 4" in printed
    lines = [line.split() for line in printed.splitlines()]
    [best] = [line for line in lines if line[:2] == ["medembed-small", "60.0"]]
    assert best[4:] == ["+10.0", "[+10.0,", "+10.0]", "better", "?", "0"]
    of_task = [line for line in lines if line[:1] == ["beta:test"]]
    assert [line[1:3] for line in of_task] == [["40", "medembed-small"], ["40", "minilm"]]
    assert "price: not measured; evaluate again without --no-cost" in printed


def test_the_json_is_one_document_with_every_board(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(folder / "second", "beta:test", MINILM, some_scores(1))
    assert main(["leaderboard", str(folder), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["boards"]
    assert (first["folder"], second["folder"]) == ("first", "second")
    assert list(first["tasks"]) == list(TASKS)
    row = first["retrievers"]["medembed-small"]
    assert row["mean"]["beside_baseline"]["verdict"] == "better"
    assert row["mean"]["beside_baseline"]["difference"] == pytest.approx(0.1)
    assert row["tasks"]["beta:test"]["queries"] == 40
    assert "per_query" not in json.dumps(first)


def test_the_measure_and_the_baseline_can_be_chosen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--measure", "MAP", "--baseline", "medembed-small", "--json"]
    assert main(["leaderboard", str(folder), *arguments]) == 0
    [board] = json.loads(capsys.readouterr().out)["boards"]
    assert (board["measure"], board["baseline"]) == ("MAP", "medembed-small")
    assert board["retrievers"]["minilm"]["mean"]["beside_baseline"]["verdict"] == "worse"


def test_all_that_can_be_in_a_folder_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = full_folder(tmp_path / "results")
    page = tmp_path / "report.html"
    assert main(["leaderboard", str(folder), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "prompted: not comparable: alpha/en:test: prompted was run without its query prompt" in printed
    assert "incomplete: incomplete: 1 of 3 tasks; no result on alpha/en:test" in printed
    assert "alpha/en:test, medsearch-minilm: 57.5 with all queries, 57.7 without the 3" in printed
    assert "used to choose this model (alpha/en:test)" in printed
    assert "66 % [55\N{EN DASH}76]" in printed
    assert page.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder; make one with `medsearch evaluate SUITE --out nowhere`"),
        (["FOLDER", "--baseline", "minilms"], "did you mean minilm?"),
        (["FOLDER", "--html", "FOLDER"], "name a file in a folder that is there"),
        (["FOLDER", "--html", "nowhere/page.html"], "name a file in a folder that is there"),
        (["FOLDER", "--measure", "F1"], "invalid choice: 'F1'"),
    ],
)
def test_wrong_usage_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    given = [str(folder) if argument == "FOLDER" else argument for argument in arguments]
    try:
        code = main(["leaderboard", *given])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("judging")]
    assert len(said) == 1
    assert message in said[0]


def test_a_card_is_printed_or_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = folder / "first"
    assert main(["card", "minilm", "--results", str(results)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("---\nlicense: apache-2.0\n")
    file = folder / "card.md"
    assert main(["card", "minilm", "--results", str(results), "--out", str(file), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["out"] == str(file)
    assert record["card"] == file.read_text("utf-8")


def test_a_card_of_no_model_or_into_no_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = str(folder / "first")
    assert main(["card", "minilms", "--results", results]) == 2
    assert "minilm" in capsys.readouterr().err
    for name in ("hybrid:minilm", "bge-small@no-prompt"):
        assert main(["card", name, "--results", results]) == 2
        assert f"{name}: a card is of one model: name it alone" in capsys.readouterr().err
    assert main(["card", "bge-small", "--results", results]) == 2
    assert "no result of 'bge-small'" in capsys.readouterr().err
    assert main(["card", "minilm", "--results", results, "--out", results]) == 2
    assert "name a file in a folder that is there" in capsys.readouterr().err
