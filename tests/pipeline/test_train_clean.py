"""Training data is cleaned of leaks before training: planted ones go, and nothing is done twice."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from cleaning_material import Place, counted_checks, leaking
from contamination_material import CLEAN_ROWS, PLANTED, write_lines
from fakes import Heard

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.training_facts import LEAKS_LEFT, ROWS_CHECKED, ROWS_WITH_LEAKS
from medsearch.workbench.ledger.contamination import ContaminationRequest, check_contamination
from medsearch.workbench.suites import load_suite
from pipeline.training.data import clean
from pipeline.training.data.clean_record import UNREADABLE
from pipeline.training.recipe import TrainRecipe


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    return counted_checks(monkeypatch)


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


def test_without_suites_nothing_is_done_and_it_is_said(place: Place, tmp_path: Path) -> None:
    place.suites = ()  # type: ignore[assignment]  # no suite at all
    assert place.clean(tmp_path / "not read.jsonl") == {}
    assert place.heard.lines == [
        "the training data is not searched for leaks (the recipe says clean_of = [])"
    ]
    assert not (tmp_path / "run").exists()
    assert TrainRecipe.model_fields["clean_of"].default == ("medical-local", "medical-dev")
