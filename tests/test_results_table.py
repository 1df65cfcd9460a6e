"""README's results are made from a results folder, with intervals, verdicts and prices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare_material import BM25
from leaderboard_material import MINILM, SIZES, TASKS, cost_of, put_all, put_card

from benchmarks import results_table
from medsearch.errors import UsageError

README = f"before\n{results_table.BEGIN}\nold\n{results_table.END}\nafter\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSEARCH_LOOKS", str(tmp_path / "looks.jsonl"))
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    put_all(tmp_path / "results", MINILM, 0.0, cost=cost_of(1.0))
    put_all(tmp_path / "results", BM25, -0.06, cost=cost_of(0.1))
    put_all(tmp_path / "results", SIZES["small"][1], 0.03, marks=("forced: took part in choosing",))
    put_card(tmp_path / "results", MINILM, 27)
    return tmp_path


def test_the_tables_replace_what_stands_between_the_marks(folder: Path) -> None:
    readme, summary = folder / "README.md", folder / "evaluation.json"
    results_table.main(str(folder / "results"), str(readme), str(summary))
    text = readme.read_text("utf-8")
    assert text.startswith(f"before\n{results_table.BEGIN}\n| task")
    assert text.endswith(f"\n{results_table.END}\nafter\n")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    assert rows[0] == ["task", "queries", "medembed-small", "minilm", "bm25"]
    assert [row[:2] for row in rows[2:5]] == [[task, f"{queries}"] for task, queries in TASKS.items()]
    assert rows[5][:2] == ["**mean over tasks** (3)", "124"]
    best, baseline, worst = rows[5][2:]
    assert best.startswith("53.0 [")
    assert best.endswith("] ▲ better <sup>1</sup>")
    assert "\n<sup>1</sup> forced.\n" in text
    assert baseline.endswith("]")
    assert worst.endswith("] ▼ worse")
    assert "verdicts beside minilm by a paired randomisation test, Holm-corrected for the 8 comp" in text
    prices = {row[0]: row[1:] for row in rows[6:]}
    assert prices["minilm"] == ["70", "6.2", "9.5", "2,000", "310", "?", "0", "59 % [48\N{EN DASH}69]"]
    assert prices["medembed-small"] == ["", "", "", "", "", "?", "0", "not made"]
    assert "Measured on Example CPU, 2 cores, Linux x86_64." in text


def test_the_summary_keeps_no_query(folder: Path) -> None:
    summary = folder / "evaluation.json"
    results_table.main(str(folder / "results"), str(folder / "README.md"), str(summary))
    record = json.loads(summary.read_text("utf-8"))
    task = record["retrievers"]["bm25"]["tasks"]["beta:test"]
    assert task["beside_baseline"]["verdict"] == "worse"
    assert task["settings"]["engine"] == "qdrant-edge-py 1"
    assert task["cost"]["query_ms_p50"] == 0.625
    assert '"q1"' not in summary.read_text("utf-8")


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(UsageError, match="has no `<!-- results: made by"):
        results_table.put_in_readme("no marks", "table")


def test_there_must_be_results(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no results: make some with `medsearch evaluate"):
        results_table.main(str(tmp_path))
