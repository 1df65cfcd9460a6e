"""The benchmark of training speed: both sides train on the same rows, and their steps are timed alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from training_material import make_learner, tiny_registry, training_rows, write_rows

from benchmarks.training_speed import TRAINERS, Load, compared, draw
from medsearch.errors import UsageError


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Six steps of eight rows; some rows are of another split or of none, some lack negatives."""
    rows = training_rows(90)
    for number, row in enumerate(rows):
        if number % 3 == 0:
            del row["split"]
        if number % 10 == 1:
            row["split"] = "dev"
        if number % 10 == 2:
            row |= {"negatives": [], "negative_ids": [], "negative_scores": [], "found_by": []}
    write_rows(tmp_path / "all.jsonl", rows)
    return Load(str(tmp_path / "rows.jsonl"), "tiny", steps=6, batch=8)


def test_the_rows_are_drawn_once(load: Load, tmp_path: Path) -> None:
    draw(tmp_path / "all.jsonl", load)
    first = Path(load.file).read_text("utf-8")
    rows = [json.loads(line) for line in first.splitlines()]
    assert len({row["row_id"] for row in rows}) == 48
    assert {row["split"] for row in rows} == {"train"}
    assert sum(int(row["row_id"][1:]) % 3 == 0 for row in rows) > 8, "those without a split are among them"
    assert {len(row["negatives"]) for row in rows} == {1}
    draw(tmp_path / "all.jsonl", load)
    assert Path(load.file).read_text("utf-8") == first
    with pytest.raises(UsageError, match=r"72 rows for training have a negative, and 60 steps of 8 need 480"):
        draw(tmp_path / "all.jsonl", Load(load.file, "tiny", 60, 8))


@pytest.mark.parametrize("name", TRAINERS)
def test_each_side_trains_on_them_and_times_its_steps(
    name: str, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    monkeypatch.setenv("MEDSEARCH_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.training_speed.QUERY_TOKENS", 24)
    monkeypatch.setattr("benchmarks.training_speed.DOCUMENT_TOKENS", 24)
    draw(tmp_path / "all.jsonl", load)
    facts = TRAINERS[name](load)
    assert len(facts["step_seconds"]) == 6
    assert all(seconds > 0 for seconds in facts["step_seconds"])
    if name == "medsearch":
        assert facts["sources"][0]["used"] == 48
        assert facts["rows"] == 48


def test_the_first_step_does_not_count_and_ratios_are_of_medians() -> None:
    shares = dict.fromkeys(("", "_without_grouping", "_ungrouped"), 0.1)
    both = {
        "precision": "fp32",
        "device": "cpu",
        **{f"padding_share{key}": value for key, value in shares.items()},
    }
    found = {
        "medsearch": [
            {**both, "step_seconds": [90.0, step, step], "peak_mib": 300} for step in (1.0, 2.0, 9.0)
        ],
        "sentence-transformers": [{**both, "step_seconds": [0.1, 5.0, 3.0], "peak_mib": 200}] * 3,
    }
    record = compared(found, 64)
    assert record["seconds_a_step"]["medsearch"]["median"] == 2.0
    assert record["triplets_a_second"] == {"medsearch": 32.0, "sentence-transformers": 16.0}
    assert (record["ratio_of_speed"], record["ratio_of_memory"]) == (2.0, 1.5)
