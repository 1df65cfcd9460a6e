"""`medsearch calibrate`: its table, its JSON, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
from calibration_material import QUESTIONS, write_both, write_corpus

from medsearch.cli import calibrate as command
from medsearch.cli.main import main
from medsearch.errors import UsageError
from medsearch.evaluation.abstention import read_calibrations
from medsearch.search.abstention import read_thresholds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the corpora `clinic` and `other` in its `data`, and settings that look there."""
    write_both(tmp_path / "data")
    for name in ("data", "index", "cache", "looks"):
        monkeypatch.setenv(f"MEDSEARCH_{name.upper()}", str(tmp_path / name))
    return tmp_path


def asked(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    command.add_arguments(parser)
    return parser.parse_args(["clinic", "--others", "other", *arguments])


def test_the_table_has_thresholds_and_both_rates_with_intervals(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(asked("--models", "bm25")) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "clinic: calibrated on 30 questions (half of dev) for about 5 % false refusals, measured on 30 "
        "(the other half of dev) and on 60 of other corpora\n"
    )
    [row] = [line.split("  ") for line in printed.splitlines() if line.startswith("bm25 ")]
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells[1] == "share of the best possible score"
    assert 0.0 < float(cells[2]) < 1.0
    assert cells[4:] == ["100.0 % [94.0\N{EN DASH}100.0]", "100.0"]
    [other] = [line for line in printed.splitlines() if line.startswith("other ")]
    assert other.split("  ")[-1] == "100.0 % [94.0\N{EN DASH}100.0]"
    assert "With 30 questions the true rate of false refusals is between 0.1 % and 11.6 %" in printed
    told = " ".join(printed.split())
    assert "what is refused of them is a lower bound" in told
    assert "would wrongly be refused (split conformal): this holds on average over calibrations" in told
    assert "at most" not in told
    assert "Warning" not in told


def test_a_score_that_tells_nothing_is_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that the other corpus asks are words of this one in order, so that they score no worse."""
    echo = {f"q{n}": f"angina of the heart, note {n}" for n in range(0, 24, 4)}
    write_corpus(folder / "data" / "echo", {"d0": "tooth"}, echo, {"test": list(echo)})
    assert command.run(asked("--models", "bm25", "--others", "echo", "--out", str(folder / "out"))) == 0
    printed = capsys.readouterr().out
    [row] = [line for line in printed.splitlines() if line.startswith("bm25 ")]
    assert row.endswith(" (no better than chance)")
    told = (
        "Warning: bm25: the score does not tell questions that clinic answers from others (ROC area 55 or "
        "less), so no threshold is kept for searching."
    )
    assert told in " ".join(printed.split())
    [kept] = read_calibrations(folder / "out")
    assert not kept.separates


def test_json_and_what_out_keeps_are_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    assert command.run(asked("--models", "bm25", "--error", "0.2", "--json", "--out", str(out))) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record) == ["rule", "corpus", "error", "models"]
    assert (record["corpus"], record["error"]) == ("clinic", 0.2)
    assert record["models"]["bm25"] == json.loads(
        (out / "abstention" / "bm25.clinic.json").read_text("utf-8")
    )
    [kept] = read_calibrations(out)
    assert kept.false.asked == QUESTIONS // 2
    assert record["models"]["bm25"]["outside"]["other"]["asked"] == QUESTIONS


def test_too_few_questions_are_said_in_plain_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(asked("--models", "bm25", "--error", "0.01")) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "No threshold can be stated: 1 % needs at least 99 questions, of which there are 30" in printed
    assert "bm25 share of the best possible score none 0.0 %" in printed


def test_index_takes_the_models_that_the_index_has_and_keeps_thresholds_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "clinic", "--models", "bm25"]) == 0
    capsys.readouterr()
    assert command.run(asked("--index", "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["models"]) == ["bm25"]
    kept = read_thresholds(folder / "index" / "clinic")
    assert kept["bm25"].threshold == record["models"]["bm25"]["threshold"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--error", "1.5"], r"an error rate of 1\.5: it must be above 0 and below 1"),
        (["--error", "nan"], r"an error rate of nan: it must be above 0"),
        (["--split", "train"], r"corpus clinic has no split 'train'; it has dev, test"),
        (["--models", "bm52"], r"unknown model 'bm52'"),
        (["--others", "clinic"], r"--others clinic: its questions are answered here"),
        (["--report", "--split", "test"], r"--report measures on the test split"),
        (["--out", "FILE"], r"--out .*data/clinic/corpus\.jsonl: it is a file; name a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_on_one_line(folder: Path, arguments: list[str], told: str) -> None:
    file = str(folder / "data" / "clinic" / "corpus.jsonl")
    given = [file if argument == "FILE" else argument for argument in arguments]
    with pytest.raises(UsageError, match=told) as refused:
        command.run(asked("--models", "bm25", *given))
    assert "\n" not in str(refused.value)
