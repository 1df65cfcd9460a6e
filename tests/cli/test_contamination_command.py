"""`medsearch contamination`: its table, its JSON, its exit codes, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from compare_material import some_scores, write_result
from contamination_material import CLEAN_ROWS, PLANTED, SUITE_TOML, write_corpus, write_lines
from fakes import topic_spec

from medsearch.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a suite over the tiny corpus, clean training rows, and some that leak."""
    write_corpus(tmp_path / "data")
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    (tmp_path / "small.toml").write_text(SUITE_TOML)
    write_lines(tmp_path / "clean.jsonl", CLEAN_ROWS)
    write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, *PLANTED.values()])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*options: str) -> int:
    return main(["contamination", "--suite", "small.toml", *options])


def test_json_in_the_promised_shape_and_1_where_there_are_leaks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--train", "train.jsonl", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert record["leaks"] == len(PLANTED) == len(record["pairs"])
    assert record["by_benchmark"]["tiny:test"]["leaked_queries"] == ["q0", "q1"]
    assert record["pairs"][0] == {
        "benchmark": "tiny:test",
        "part": "query",
        "id": "q0",
        "kind": "exact",
        "similarity": 1.0,
        "train": "train.jsonl:3",
        "field": "query",
        "role": "query",
    }


def test_0_and_no_pairs_where_there_are_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--train", "clean.jsonl", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["leaks"], record["pairs"]) == (0, [])
    assert run("--train", "clean.jsonl") == 0
    assert "No leaks." in capsys.readouterr().out


def test_the_table_counts_by_kind_and_lists_the_pairs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--train", "train.jsonl") == 1
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("tiny:test"))
    assert " ".join(row.split()) == "tiny:test 1 / 0 / 0 1 / 0 / 0 0 / 0 / 0 2 (100.0 %) 2 15"
    assert "train.jsonl:10" in shown
    assert "diuretics" not in shown.lower()
    assert run("--train", "train.jsonl", "--show-text") == 1
    assert "LOOP DIURETICS RELIEVE" in capsys.readouterr().out


def test_text_that_could_steer_a_terminal_is_shown_harmless(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "\x1b[2J" + PLANTED["exact query"]["query"]
    write_lines(folder / "odd.jsonl", [{"query": query}])
    assert run("--train", "odd.jsonl", "--show-text") == 1
    assert "\x1b" not in capsys.readouterr().out


def test_the_cleaned_file_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--train", "train.jsonl", "--write-clean", "fixed.jsonl") == 1
    assert (
        "fixed.jsonl: 2 rows kept, 15 with a leak and 0 that cannot be read left out"
        in capsys.readouterr().err
    )
    assert (folder / "fixed.jsonl").read_bytes() == (folder / "clean.jsonl").read_bytes()
    assert run("--train", "fixed.jsonl") == 0


def test_reports_are_kept_by_model_or_file_suite_and_what_was_checked(folder: Path) -> None:
    assert run("--train", "train.jsonl", "--out", "results", "--model", "minilm", "--json") == 1
    assert run("--train", "clean.jsonl", "--out", "results", "--model", "minilm", "--json") == 0
    assert run("--train", "clean.jsonl", "--out", "results", "--json") == 0
    kept = sorted((folder / "results" / "contamination").iterdir())
    assert [re.sub("[0-9a-f]{8}", "X", file.name) for file in kept] == [
        "clean.small.X.json", "minilm.small.X.json", "minilm.small.X.json",
    ]  # fmt: skip
    records = [json.loads(file.read_text()) for file in kept]
    assert [record.get("models") for record in records] == [None, ["minilm"], ["minilm"]]
    assert sorted(record["leaks"] for record in records[1:]) == [0, len(PLANTED)]


def test_a_model_of_the_results_may_be_named(folder: Path) -> None:
    spec = topic_spec("mine/small", source="hub:someone/small", revision="1" * 40)
    write_result(folder / "results", "tiny:test", spec, some_scores(1, queries=2))
    for name in ("mine/small", "mine--small", "hybrid:minilm"):
        assert run("--train", "clean.jsonl", "--out", "results", "--model", name) == 0


def test_rows_that_cannot_be_read_are_told_and_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "clean.jsonl").open("a") as stream:
        stream.write("{\n")
    assert run("--train", "clean.jsonl") == 1
    shown = capsys.readouterr().out
    assert "No leaks in the 2 rows that could be read; 1 row could not be read." in shown
    assert "remark: 1 training row could not be read" in shown
    assert "clean.jsonl:3: not a line of JSON" in shown
    assert "No leaks.\n" not in shown
    assert run("--train", "clean.jsonl", "--json") == 1
    assert json.loads(capsys.readouterr().out)["incomplete"] is True


def test_the_fields_and_the_limits_are_told_and_one_is_no_plural(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(folder / "one.jsonl", [{"row_id": "a b c", "query": PLANTED["exact query"]["query"]}])
    assert run("--train", "one.jsonl") == 1
    shown = capsys.readouterr().out
    assert "1 training text in 1 row against small\n" in shown
    assert "fields read: query\nfields not read: row_id\n" in shown
    assert "\n1 leak: a pair of a training text" in shown
    assert run("--train", "clean.jsonl") == 0
    assert "No leaks.\nNot looked for: paraphrases" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--train", "gone.jsonl"], "--train gone.jsonl: no such file or folder"),
        (["--train", "clean.jsonl", "--fields", " , "], "--fields names none"),
        (["--train", "clean.jsonl", "--model", "m"], "--model goes with --out DIR"),
        (["--train", "clean.jsonl", "--fields", "body"], "--fields body: no training row has a field"),
        (
            ["--train", "clean.jsonl", "--out", "results", "--model", "minlm"],
            "--model minlm: neither the registry nor a result in results has it; did you mean minilm",
        ),
        (["--train", "clean.jsonl", "--out", "small.toml"], "--out small.toml: it is a file"),
        (["--train", "clean.jsonl", "--write-clean", "clean.jsonl"], "it is the training file itself"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_suite_over_a_corpus_that_is_not_here_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "small.toml").write_text(SUITE_TOML.replace("tiny", "tinny"))
    assert run("--train", "clean.jsonl") == 2
    assert "no corpus called 'tinny'; did you mean tiny?" in capsys.readouterr().err
