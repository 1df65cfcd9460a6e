"""The journal: what was committed stays, what was not is forgotten, whatever byte the kill came at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsearch.errors import MedsearchError
from pipeline.journal import Journal, PlanChangedError, open_journal, read_rows
from pipeline.records import DroppedRow
from pipeline.yields import Yield

PLAN = {"threshold": 3, "table": {"a": 1, "b": 2}}


def row(number: int, text: str = "words") -> DroppedRow:
    return DroppedRow(row_id=str(number), rule="rule", detail="", query=text, positive_id="")


def outputs(folder: Path) -> dict[str, Path]:
    return {"first": folder / "first.jsonl", "second": folder / "second.jsonl"}


def work(journal: Journal, until: int) -> None:
    """Units 0 … until-1: unit n writes n rows to `first` and one to `second`."""
    for number in range(len(journal.units), until):
        rows = {"first": [row(number)] * number, "second": [row(number, "ünïcode")]}
        journal.commit(str(number), rows, Yield(taken=number, kept=1))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in outputs(folder).items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    with open_journal(folder, "stage", outputs(folder), PLAN) as journal:
        work(journal, 5)
    return contents(folder)


@settings(max_examples=60, deadline=None)
@given(
    done=st.integers(0, 5),
    first_cut=st.integers(0, 400),
    second_cut=st.integers(0, 400),
    journal_cut=st.integers(0, 400),
    torn=st.sampled_from([b"", b'{"row_id": "9', b"\n", b"\x00\x00"]),
)
def test_whatever_a_stop_leaves_the_files_end_up_as_without_one(
    tmp_path_factory: pytest.TempPathFactory,
    whole: dict[str, bytes],
    done: int,
    first_cut: int,
    second_cut: int,
    journal_cut: int,
    torn: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with open_journal(folder, "stage", outputs(folder), PLAN) as journal:
        work(journal, done)
    for path, cut in [
        (folder / "first.jsonl", first_cut),
        (folder / "second.jsonl", second_cut),
        (folder / "stage.journal.jsonl", journal_cut),
    ]:
        data = path.read_bytes()
        # A power cut may lose the end of any file; a kill may leave half a write behind it.
        path.write_bytes(data[: max(0, len(data) - cut)] if cut < 200 else data + torn.rstrip(b"\n"))
    with open_journal(folder, "stage", outputs(folder), PLAN) as journal:
        assert journal.units == [str(number) for number in range(len(journal.units))]
        work(journal, 5)
        assert journal.total.taken == 0 + 1 + 2 + 3 + 4
    assert contents(folder) == whole


def test_counts_add_up_over_sittings_and_are_in_the_table(tmp_path: Path) -> None:
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        one = Yield(taken=10, kept=7, prompt_tokens=100, completion_tokens=30, requests=4)
        one.dropped.update({"copy": 2, "too short": 1})
        journal.commit("a", {}, one)
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        two = Yield(taken=10, kept=9)
        two.dropped["copy"] += 1
        journal.commit("b", {}, two)
        table = {what: (count, share) for what, count, share in journal.total.table("in", "kept")}
    assert table["in"] == ("20", "")
    assert table["kept"] == ("16", "80.0 %")
    assert table["dropped: copy"] == ("3", "15.0 %")
    assert table["dropped: too short"] == ("1", "5.0 %")
    assert table["tokens in prompts"] == ("100", "")


def test_a_changed_plan_is_refused_and_names_what_changed(tmp_path: Path) -> None:
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        work(journal, 2)
    changed = {"threshold": 3, "table": {"a": 1, "b": 5}}
    with (
        pytest.raises(PlanChangedError, match=r"table\.b = 2, now it is 5.*--restart"),
        open_journal(tmp_path, "stage", outputs(tmp_path), changed),
    ):
        pass
    with open_journal(tmp_path, "stage", outputs(tmp_path), changed, restart=True) as journal:
        assert journal.units == []
    assert contents(tmp_path) == {"first": b"", "second": b""}


def test_two_processes_cannot_have_a_stage_open(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path, "stage", outputs(tmp_path), PLAN),
        pytest.raises(MedsearchError, match="being run by another process"),
        open_journal(tmp_path, "stage", outputs(tmp_path), PLAN),
    ):
        pass


def test_a_damaged_journal_is_named_with_its_line(tmp_path: Path) -> None:
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        work(journal, 3)
    file = tmp_path / "stage.journal.jsonl"
    lines = file.read_text().splitlines()
    lines[1] = "garbage"
    file.write_text("\n".join(lines) + "\n")
    with (
        pytest.raises(MedsearchError, match=r"stage\.journal\.jsonl:2 is damaged.*--restart"),
        open_journal(tmp_path, "stage", outputs(tmp_path), PLAN),
    ):
        pass


def test_a_finished_stage_stays_finished_until_more_is_committed(tmp_path: Path) -> None:
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        work(journal, 2)
        journal.finish()
    with open_journal(tmp_path, "stage", outputs(tmp_path), PLAN) as journal:
        assert journal.finished


def test_a_row_that_is_none_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = row(1).model_dump_json()
    path.write_text(good + "\n" + json.dumps({**json.loads(good), "renamed": 1}) + "\n")
    with pytest.raises(MedsearchError, match=r"rows\.jsonl:2 is not a DroppedRow: renamed"):
        list(read_rows(path, DroppedRow))
    with pytest.raises(MedsearchError, match="is not there: run the stage that writes it first"):
        list(read_rows(tmp_path / "none.jsonl", DroppedRow))
