"""Training data is cleaned of leaks before training: planted ones go, and nothing is done twice."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from contamination_material import CLEAN_ROWS, PLANTED, SUITE_TOML, write_corpus, write_lines
from fakes import Heard
from overlap_material import CLEAN, PASSAGES, QUESTIONS
from training_facts_material import some_facts
from training_material import pair_row, recipe_text

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.training_facts import LEAKS_LEFT, ROWS_CHECKED, ROWS_WITH_LEAKS
from medsearch.settings import Settings
from medsearch.workbench.cards.training_tables import leaks_line
from medsearch.workbench.ledger.contamination import ContaminationRequest, check_contamination
from medsearch.workbench.suites import load_suite
from pipeline.settings import PipelineSettings
from pipeline.train import TrainRequest, begun_job
from pipeline.training import clean
from pipeline.training.clean import CleanFile, CleanRequest, clean_sources
from pipeline.training.clean_record import UNREADABLE
from pipeline.training.folder import TrainingFolder
from pipeline.training.recipe import DataTable, TrainRecipe, parse_train_recipe
from pipeline.training.sources import SourceReader

DEV = 'role = "choose"\ntasks = ["tiny:train"]\n'
"""Over the split that has question 2, which passage 1 answers."""


class Place:
    """A folder with the tiny corpus, two suites over its splits, and files of training rows."""

    def __init__(self, folder: Path) -> None:
        write_corpus(folder / "data")
        self.settings = Settings.from_environment({"MEDSEARCH_DATA": str(folder / "data")})
        self.suites = (str(folder / "report.toml"), str(folder / "dev.toml"))
        for file, text in zip(self.suites, (SUITE_TOML, DEV), strict=True):
            Path(file).write_text(text, encoding="utf-8")
        self.folder = folder
        self.heard = Heard()

    def clean(self, *files: Path, strict: bool = False) -> dict[Path, CleanFile]:
        self.heard = Heard()
        request = CleanRequest(self.suites, self.folder / "run" / "data", strict=strict)
        return clean_sources({file: file.name for file in files}, request, self.settings, self.heard)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The ledger's calls: suite and file names."""
    calls: list[tuple[str, list[str]]] = []

    def counting(request: ContaminationRequest, settings: Settings, progress: Heard) -> object:
        calls.append((request.suite.name, [file.name for file in request.train]))
        return check_contamination(request, settings, progress)

    monkeypatch.setattr(clean, "check_contamination", counting)
    return calls


def leaking(folder: Path) -> Path:
    """Two clean rows, one with the question of each suite, and one with a document that answers nothing."""
    rows = [
        CLEAN_ROWS[0],
        PLANTED["query with one word swapped"],
        {"query": QUESTIONS[2], "positive": CLEAN[3]},
        {"query": CLEAN[0], "positive": PASSAGES[2]},
        CLEAN_ROWS[1],
    ]
    return write_lines(folder / "leaking.jsonl", rows)


def test_planted_leaks_are_left_out_and_counted(place: Place, tmp_path: Path) -> None:
    file, clean_file = leaking(tmp_path), write_lines(tmp_path / "good.jsonl", CLEAN_ROWS)
    found = place.clean(file, clean_file)
    lines = file.read_bytes().splitlines(keepends=True)
    assert found[file].path == tmp_path / "run" / "data" / "leaking.jsonl"
    assert found[file].path.read_bytes() == b"".join([lines[0], lines[3], lines[4]])
    assert found[file].counts == {
        ROWS_CHECKED: 5,
        ROWS_WITH_LEAKS: 2,
        LEAKS_LEFT: 0,
        "leaks into tiny:test": 1,
        "leaks into tiny:train": 1,
    }
    assert found[clean_file].path.read_bytes() == clean_file.read_bytes()
    assert found[clean_file].counts == {ROWS_CHECKED: 2, ROWS_WITH_LEAKS: 0, LEAKS_LEFT: 0}
    assert "leaking: 2 rows with a leak into report and dev left out" in place.heard.lines
    assert sorted(path.name for path in (tmp_path / "run" / "data").iterdir()) == [
        "clean.json", "good.jsonl", "leaking.jsonl",
    ]  # fmt: skip
    for name in place.suites:
        request = ContaminationRequest((found[file].path,), load_suite(name))
        assert check_contamination(request, place.settings, Heard()).leaks == 0


def test_all_files_are_checked_at_once_and_never_twice(
    place: Place, tmp_path: Path, checks: list[tuple[str, list[str]]]
) -> None:
    file, good = leaking(tmp_path), write_lines(tmp_path / "good.jsonl", CLEAN_ROWS)
    first = place.clean(file, good)
    both = ["leaking.jsonl", "good.jsonl"]
    # The second look is at what has changed alone.
    assert checks == [("report", both), ("dev", both), ("report", both[:1]), ("dev", both[:1])]
    checks.clear()
    assert place.clean(file, good) == first
    assert checks == []
    assert place.heard.lines == []


def test_runs_share_what_one_of_them_has_cleaned(
    place: Place, tmp_path: Path, checks: list[tuple[str, list[str]]]
) -> None:
    file, good = leaking(tmp_path), write_lines(tmp_path / "good.jsonl", CLEAN_ROWS)

    def cleaned(run: str, names: dict[Path, str]) -> dict[Path, CleanFile]:
        checks.clear()
        place.heard = Heard()
        request = CleanRequest(place.suites, tmp_path / run / "data", shared=tmp_path / "clean")
        return clean_sources(names, request, place.settings, place.heard)

    first = cleaned("one", {file: "leaking.jsonl"})
    assert len(checks) == 4
    # Another run has the file under another name, and one that nobody has cleaned.
    second = cleaned("two", {file: "again.jsonl", good: "good.jsonl"})
    assert checks == [("report", ["good.jsonl"]), ("dev", ["good.jsonl"])]
    assert second[file].path == tmp_path / "two" / "data" / "again.jsonl"
    assert second[file].path.read_bytes() == first[file].path.read_bytes()
    assert second[file].counts == first[file].counts
    assert place.heard.lines[0].startswith(
        "again: 2 rows with a leak into report and dev left out, as another"
    )
    kept = json.loads((tmp_path / "two" / "data" / "clean.json").read_text("utf-8"))["again"]
    assert kept["sha256"] == sha256(second[file].path.read_bytes()).hexdigest()
    assert kept["source"] == sha256(file.read_bytes()).hexdigest()
    assert cleaned("two", {file: "again.jsonl", good: "good.jsonl"}) == second
    assert checks == []
    # What was touched is lent to nobody; nor is what was cleaned of another suite.
    for shared in (tmp_path / "clean").glob("*.jsonl"):
        shared.write_bytes(b"touched")
    assert cleaned("three", {file: "leaking.jsonl"})[file].path.read_bytes().count(b"\n") == 3
    assert checks
    place.suites = place.suites[:1]
    cleaned("four", {file: "leaking.jsonl"})
    assert [suite for suite, _ in checks] == ["report", "report"]


def test_whatever_changes_is_checked_again(
    place: Place, tmp_path: Path, checks: list[tuple[str, list[str]]]
) -> None:
    file, good = leaking(tmp_path), write_lines(tmp_path / "good.jsonl", CLEAN_ROWS)
    made = place.clean(file, good)

    def checked() -> set[str]:
        checks.clear()
        place.clean(file, good)
        return {name for _, names in checks for name in names}

    write_lines(good, [*CLEAN_ROWS, PLANTED["exact passage"]])
    assert checked() == {"good.jsonl"}
    assert made[good].path.read_bytes().count(b"\n") == 2
    made[file].path.write_bytes(b"touched")
    assert checked() == {"leaking.jsonl"}
    (tmp_path / "run" / "data" / "clean.json").write_text("{", encoding="utf-8")
    assert checked() == {"leaking.jsonl", "good.jsonl"}
    with (tmp_path / "data" / "tiny" / "qrels" / "test.tsv").open("a") as stream:
        stream.write("q0\td2\t1\n")  # now this passage answers something
    assert checked() == {"leaking.jsonl", "good.jsonl"}
    assert made[file].path.read_bytes().count(b"\n") == 2


def test_stopped_on_the_way_nothing_half_done_is_used(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = leaking(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(clean, "digest", lambda path: exit_at(path, "data"))
        with pytest.raises(SystemExit):
            place.clean(file)
    assert place.clean(file)[file].path.read_bytes().count(b"\n") == 3


def exit_at(path: Path, folder: str) -> str:
    if path.parent.name == folder:
        raise SystemExit
    return sha256(path.read_bytes()).hexdigest()


def test_corpora_that_are_not_here_are_all_named(place: Place, tmp_path: Path) -> None:
    Path(place.suites[1]).write_text('role = "choose"\ntasks = ["gone:dev", "lost:dev"]\n', encoding="utf-8")
    with pytest.raises(
        UsageError,
        match=r"leaks into report and dev, but gone, lost of them are not in .*`clean_of = \[\]` in",
    ) as caught:
        place.clean(leaking(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_file_of_leaks_alone_is_named(place: Place, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [PLANTED["exact query"]])
    with pytest.raises(MedsearchError, match=r"rows\.jsonl: every row leaks into report"):
        place.clean(file)


def test_leaks_that_are_left_after_all_stop_the_training(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(tally: object, fields: object, target: Path) -> object:
        target.write_bytes((tmp_path / "leaking.jsonl").read_bytes())
        return clean_training.Cleaned(target, 4, 1, 0)

    from medsearch.workbench.ledger import clean_training

    monkeypatch.setattr(clean, "write_clean", careless)
    with pytest.raises(
        MedsearchError, match=r"leaking\.jsonl: leaks into report are left after cleaning \(1\)"
    ):
        place.clean(leaking(tmp_path))
    assert not (tmp_path / "run" / "data" / "leaking.jsonl").exists()


def test_rows_that_cannot_be_read_are_left_out_or_stop_it(place: Place, tmp_path: Path) -> None:
    file = leaking(tmp_path)
    with file.open("a", encoding="utf-8") as stream:
        stream.write("{broken\n")
    found = place.clean(file)
    assert found[file].counts[UNREADABLE] == 1
    assert "leaking: 2 rows with a leak into report and dev left out; 1 that cannot be read, too" in (
        place.heard.lines
    )
    with pytest.raises(
        MedsearchError, match=r"leaking\.jsonl has rows that cannot be read \(1\).*without --strict"
    ):
        place.clean(file, strict=True)


def test_files_of_one_name_do_not_overwrite_one_another(place: Place, tmp_path: Path) -> None:
    one, two = (write_lines(tmp_path / name / "rows.jsonl", [CLEAN_ROWS[n]]) for n, name in enumerate("ab"))
    tables = [DataTable(file=str(file)) for file in (one, two)]
    reader = SourceReader(tmp_path, 13, Heard())
    request = CleanRequest(place.suites, place.folder / "run" / "data")
    found = clean_sources(reader.files(tables), request, place.settings, Heard())
    assert [found[file].path.name for file in (one, two)] == ["rows.jsonl", "rows-2.jsonl"]
    assert [found[file].path.read_bytes() for file in (one, two)] == [one.read_bytes(), two.read_bytes()]


def test_without_suites_nothing_is_done_and_it_is_said(place: Place, tmp_path: Path) -> None:
    place.suites = ()  # type: ignore[assignment]  # no suite at all
    assert place.clean(tmp_path / "not read.jsonl") == {}
    assert place.heard.lines == [
        "the training data is not searched for leaks (the recipe says clean_of = [])"
    ]
    assert not (tmp_path / "run").exists()
    assert TrainRecipe.model_fields["clean_of"].default == ("medical-local", "medical-dev")


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
    monkeypatch.setattr("pipeline.training.panel.build_panel", lambda *_, **__: ())
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
