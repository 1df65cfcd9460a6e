"""The page of a training: what it shows, and that nothing in it can act."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.errors import MedsearchError
from pipeline.training.dense.train import train_dense
from pipeline.training.folder import TrainingFolder
from pipeline.training.running import curve, watch
from pipeline.training.running.curve import write_curve
from pipeline.training.running.history import Row


def rows(steps: int) -> list[Row]:
    losses: list[Row] = [{"step": n, "loss": 4 / n} for n in range(1, steps + 1)]
    points: list[Row] = [
        {"step": n, "dev": {"<b>medquad</b>": 0.4 + n / 1000, "bioasq": 0.5}, "mean": 0.45 + n / 2000}
        for n in (0, steps)
    ]
    return [*points[:1], *losses, *points[1:]]


def test_the_page_shows_both_curves_and_escapes_names(tmp_path: Path) -> None:
    file = tmp_path / "curve.html"
    write_curve(file, rows(40), name="<script>x</script>", steps=80, running=True)
    page = file.read_text("utf-8")
    assert 'http-equiv="refresh" content="10"' in page
    assert page.count("<svg") == 2
    assert "Step 40 of 80; loss 0.1000; dev mean 45.0 at first, 47.0 at last." in page
    assert "<script" not in page
    assert "<b>medquad" not in page
    assert "&lt;script&gt;x" in page
    assert "&lt;b&gt;medquad" in page
    assert not re.search(r'(?:src|href)="', page)
    assert "default-src 'none'" in page


def test_when_it_is_over_the_page_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "curve.html"
    write_curve(file, rows(10), name="m", steps=10, running=False)
    page = file.read_text("utf-8")
    assert "refresh" not in page
    assert "Ended at step 10 of 10" in page


def test_before_anything_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "curve.html"
    write_curve(file, [], name="m", steps=10, running=True)
    page = file.read_text("utf-8")
    assert "Nothing is measured yet." in page
    assert "Step 0 of 10." in page
    assert "<svg" not in page


def test_a_long_curve_is_drawn_by_the_means_of_stretches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(curve, "draw", lambda chart, **_: drawn.append(chart.to_dict()) or "")
    write_curve(tmp_path / "curve.html", rows(3000)[1:-1], name="m", steps=3000, running=True)
    (chart,) = drawn
    values = chart["data"]["values"]
    assert len(values) == 300
    assert values[-1]["step"] == 3000
    assert values[0]["loss"] == pytest.approx(sum(4 / n for n in range(1, 11)) / 10)


def test_without_what_draws_there_is_an_error_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MedsearchError("plots need altair")

    monkeypatch.setattr(curve, "load_altair", missing)
    with pytest.raises(MedsearchError, match="plots need altair"):
        write_curve(tmp_path / "curve.html", rows(5), name="m", steps=5, running=True)


def test_the_page_is_drawn_again_between_two_points_of_the_dev_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(40))
    job = tiny_job(tmp_path / "run", settings, recipe_text(data, train="steps = 6\nevaluate_every = 6"))
    drawn: list[int] = []

    def noted(file: Path, rows: Sequence[Row], **_: object) -> None:
        drawn.append(max(row["step"] for row in rows))

    monkeypatch.setattr(watch, "write_curve", noted)
    monkeypatch.setattr(watch, "_REDRAWN_S", 0.0)
    train_dense(job)
    assert drawn == [0, 1, 2, 3, 4, 5, 6, 6], "the last once more, as ended"
    drawn.clear()
    monkeypatch.setattr(watch, "_REDRAWN_S", 3600.0)
    (tmp_path / "again").mkdir()
    train_dense(replace(job, folder=TrainingFolder(tmp_path / "again")))
    assert drawn == [0, 6, 6]
