"""What is trained on is the clean file; facts and card say what was left out."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from cleaning_material import Place
from contamination_material import CLEAN_ROWS, write_lines
from fakes import Heard
from overlap_material import CLEAN, QUESTIONS
from training_facts_material import some_facts
from training_material import pair_row, recipe_text

from medsearch.errors import UsageError
from medsearch.evaluation.training_facts import LEAKS_LEFT, ROWS_CHECKED, ROWS_WITH_LEAKS
from medsearch.workbench.cards.training_tables import leaks_line
from pipeline.settings import PipelineSettings
from pipeline.train import TrainRequest, begun_job
from pipeline.training.data.clean import CleanRequest, clean_sources
from pipeline.training.data.sources import SourceReader
from pipeline.training.folder import TrainingFolder
from pipeline.training.recipe import DataTable, parse_train_recipe


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_files_of_one_name_do_not_overwrite_one_another(place: Place, tmp_path: Path) -> None:
    one, two = (write_lines(tmp_path / name / "rows.jsonl", [CLEAN_ROWS[n]]) for n, name in enumerate("ab"))
    tables = [DataTable(file=str(file)) for file in (one, two)]
    reader = SourceReader(tmp_path, 13, Heard())
    request = CleanRequest(place.suites, place.folder / "run" / "data")
    found = clean_sources(reader.files(tables), request, place.settings, Heard())
    assert [found[file].path.name for file in (one, two)] == ["rows.jsonl", "rows-2.jsonl"]
    assert [found[file].path.read_bytes() for file in (one, two)] == [one.read_bytes(), two.read_bytes()]


def test_the_reader_takes_the_clean_file_and_its_counts(place: Place, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "rows.jsonl", [pair_row(0, QUESTIONS[0], CLEAN[3]), pair_row(1, CLEAN[0], CLEAN[4])]
    )
    tables = (DataTable(file=str(file)), DataTable(file=str(file), weight=2.0))
    reader = SourceReader(tmp_path, 13, Heard())
    assert reader.files(tables) == {file: "rows.jsonl"}
    clean_files = place.clean(file)
    source = reader.read(tables[:1], clean_files)[0]
    assert [row.query for row in source.rows] == [CLEAN[0]]
    assert source.file == clean_files[file].path
    assert source.sha256 == sha256(source.file.read_bytes()).hexdigest()
    assert (source.counts[ROWS_WITH_LEAKS], source.counts[LEAKS_LEFT], source.counts["used"]) == (1, 0, 1)


def test_the_stage_trains_on_what_is_left(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_lines(
        tmp_path / "rows.jsonl", [pair_row(0, QUESTIONS[0], CLEAN[3]), pair_row(1, CLEAN[0], CLEAN[4])]
    )
    recipe = parse_train_recipe(recipe_text(file).replace("[]", json.dumps(place.suites), 1), "test")
    for name in ("pipeline.train.base_spec", "pipeline.train._keep_plan"):
        monkeypatch.setattr(name, lambda *_: None)
    monkeypatch.setattr("pipeline.training.panel.build.build_panel", lambda *_, **__: ())
    settings = PipelineSettings(place.settings, tmp_path, (), "", "", False)
    folder = TrainingFolder(tmp_path / "run")
    job = begun_job(TrainRequest(recipe, "run"), folder, settings, place.heard)
    assert [(source.file, source.counts["used"]) for source in job.sources] == [
        (folder.data / "rows.jsonl", 1)
    ]
    (tmp_path / "data" / "tiny" / "corpus.jsonl").unlink()
    with pytest.raises(UsageError, match=r"tiny of them is not in .*MEDSEARCH_DATA"):
        begun_job(TrainRequest(recipe, "run"), folder, settings, place.heard)


def test_the_card_says_what_was_left_out_or_that_nobody_looked() -> None:
    counts = {ROWS_CHECKED: 1_000, ROWS_WITH_LEAKS: 7, LEAKS_LEFT: 0}
    of = {"clean_of": ["medical-local", "medical-dev"]}
    assert leaks_line(some_facts(recipe=of, training={"sources": [counts, counts]})) == (
        "Of 2,000 rows, 14 with a query or an answer of medical-local and medical-dev, or nearly so, were "
        "left out before training; a second search of the rest found 0."
    )
    nobody = "Nobody searched the training data for queries and answers of benchmarks."
    assert leaks_line(some_facts()) == nobody
    assert leaks_line(some_facts(recipe={"clean_of": []}, training={"sources": [counts]})) == nobody
    assert leaks_line(some_facts(recipe=of, training={"sources": [{"used": 3}]})) == nobody
