"""The study of thresholds: shares and intervals of judged rows, and no choice judged by what made it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.filter_strength import Judged, alone, find_run, main, read_judged, strength, together, wilson
from medsearch.errors import MedsearchError, UsageError
from pipeline.filters.checked_row import CheckedRow
from pipeline.journal import lines_of
from pipeline.recipe import FilterTable
from pipeline.run_folder import RunFolder
from pipeline.settings import PipelineSettings


def judged(count: int = 200) -> list[Judged]:
    """Rows whose rank tells all: those that rank first are answerable; every fourth row was not looked at."""
    return [
        Judged(
            f"r{number:03d}",
            {"hybrid_rank": 1.0 + number % 5, "dense_rank": 1.0, "bm25_rank": 1.0, "lexical_support": 0.5},
            None if number % 4 == 3 else number % 5 == 0,
        )
        for number in range(count)
    ]


def test_wilson_intervals() -> None:
    # By hand, z = 1.959964: (0.32 + z²/50 ± z·√(0.32·0.68/25 + z²/2500)) / (1 + z²/25).
    assert wilson(8, 25) == pytest.approx((0.17205, 0.51590), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_rule_that_tells_good_from_bad_is_seen_to() -> None:
    rows = judged()
    everything = strength(rows, FilterTable(round_trip_k=100))
    assert (everything["kept"], everything["judged"], everything["answerable"]) == (200, 150, 30)
    assert everything["share"] == 0.2
    sharp = strength(rows, FilterTable(round_trip_k=1))
    assert (sharp["kept"], sharp["judged"], sharp["share"]) == (40, 30, 1.0)
    assert sharp["low"] > everything["high"]


def test_rules_alone_begin_with_none_and_name_their_threshold() -> None:
    found = alone(judged())
    assert found[0]["thresholds"] == {}
    assert found[0]["kept"] == 200
    by_rank = [each for each in found if each["thresholds"].get("round_trip_searches") == ["hybrid"]]
    assert [each["kept"] for each in by_rank] == [40, 120, 200, 200, 200, 200]


def test_the_best_combination_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    rows = judged(800)
    best = together(rows)[0]
    assert best["thresholds"]["round_trip_k"] == 1
    assert best["held_out"]["share"] == best["chosen_on"]["share"] == 1.0
    half = sum(row.answerable is True for row in rows)
    assert best["held_out"]["answerable"] + best["chosen_on"]["answerable"] == half


def run_with(folder: Path, *, measured: bool = True) -> RunFolder:
    run = RunFolder(folder)
    checks = {"words": 3.0, **({"hybrid_rank": 2.0} if measured else {})}
    run.checks.write_bytes(lines_of([CheckedRow(row_id=f"r{n}", checks=checks) for n in range(3)]))
    return run


def verdicts(folder: Path, *rows: dict[str, str]) -> Path:
    file = folder / "verdicts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_verdicts_are_joined_by_row(tmp_path: Path) -> None:
    said = verdicts(tmp_path, {"row_id": "r2", "verdict": "not"}, {"row_id": "r0", "verdict": "answerable"})
    assert [row.answerable for row in read_judged(run_with(tmp_path), said)] == [True, None, False]


def test_what_cannot_be_joined_is_said(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    with pytest.raises(MedsearchError, match=r'jsonl:1: the verdict must be "answerable" or "not"'):
        read_judged(run, verdicts(tmp_path, {"row_id": "r0", "verdict": "perhaps"}))
    twice = verdicts(tmp_path, {"row_id": "r0", "verdict": "not"}, {"row_id": "r0", "verdict": "answerable"})
    with pytest.raises(MedsearchError, match="jsonl:2: r0 has another verdict on a line before"):
        read_judged(run, twice)
    with pytest.raises(MedsearchError, match="r9 is no row of"):
        read_judged(run, verdicts(tmp_path, {"row_id": "r9", "verdict": "not"}))
    with pytest.raises(MedsearchError, match="r0 was not searched for: filter the run with measure_all"):
        read_judged(
            run_with(tmp_path, measured=False), verdicts(tmp_path, {"row_id": "r0", "verdict": "not"})
        )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{broken", "not a JSON object on one line"),
        (b"[]", "no row_id"),
        (b'{"verdict": "not"}', "no row_id"),
        (b'{"row_id": "r0"}', 'the verdict must be "answerable" or "not"'),
        (b"\xff", None),
    ],
)
def test_a_broken_line_is_one_line_of_error_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: bytes, what: str | None
) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_bytes(b'{"row_id": "r1", "verdict": "not"}\n\n' + line + b"\n")
    run_with(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(file)])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith(f"{file}:3: {what}\n" if what else f"{file} cannot be read: not UTF-8 text\n")


def test_a_run_is_found_by_name_or_by_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    run_with(folder)
    settings = PipelineSettings.from_environment({"MEDSEARCH_RUNS": str(tmp_path / "runs")})
    assert find_run("mine", settings).path == find_run(str(folder), settings).path == folder
    with pytest.raises(UsageError, match=r"no run called 'other' in .*; there is mine"):
        find_run("other", settings)
