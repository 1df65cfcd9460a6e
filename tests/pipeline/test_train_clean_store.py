"""Clean files are shared between runs, also by those that run at the same time."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Barrier

import pytest
from cleaning_material import Place, counted_checks, leaking
from contamination_material import CLEAN_ROWS, write_lines
from fakes import Heard

from medsearch.evaluation.training_facts import ROWS_CHECKED
from pipeline.training.data.clean import CleanFile, CleanRequest, clean_sources
from pipeline.training.data.clean_record import CleanRecord
from pipeline.training.data.clean_store import RULES, CleanStore


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    return counted_checks(monkeypatch)


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


RECORD_OF = (("report", "key"),)


def kept_file(folder: Path, name: str) -> tuple[Path, CleanRecord]:
    """A run's own clean file, which is the same in every run, and its record."""
    file = write_lines(folder / name / "data" / "rows.jsonl", CLEAN_ROWS)
    own = sha256(file.read_bytes()).hexdigest()
    return file, CleanRecord(source="s", suites=RECORD_OF, sha256=own, found={ROWS_CHECKED: 2})


@pytest.mark.parametrize("links", [True, False])
def test_two_runs_may_keep_the_same_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """The second run keeps its file when the first one's lies there under its partial name."""
    store = CleanStore(tmp_path / "clean")
    (one, record), (two, _) = (kept_file(tmp_path, name) for name in ("one", "two"))
    link, entered = os.link, []

    def between(old: Path, new: Path) -> None:
        if links:
            link(old, new)
        if not entered:
            entered.append(old)
            store.keep(record, two)
        if not links:
            raise PermissionError("this disk has no links")

    monkeypatch.setattr("pipeline.training.data.clean_store.os.link", between)
    content = one.read_bytes()
    store.keep(record, one)
    assert entered == [one]
    assert [one.read_bytes(), two.read_bytes()] == [content, content]
    assert sorted(path.suffix for path in (tmp_path / "clean").iterdir()) == [".json", ".jsonl"]
    assert store.lend("s", RECORD_OF, tmp_path / "three.jsonl") == record
    assert (tmp_path / "three.jsonl").read_bytes() == content


def test_many_runs_keep_and_lend_at_once(tmp_path: Path) -> None:
    store, together = CleanStore(tmp_path / "clean"), Barrier(8)
    made = [kept_file(tmp_path, f"run-{number}") for number in range(8)]

    def run(number: int) -> bytes:
        file, record = made[number]
        together.wait(timeout=30)
        for _ in range(20):
            store.keep(record, file)
            assert store.lend("s", RECORD_OF, file) == record
        return file.read_bytes()

    content = made[0][0].read_bytes()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(run, range(8))) == {content}
    assert sorted(path.suffix for path in (tmp_path / "clean").iterdir()) == [".json", ".jsonl"]


def test_what_is_kept_is_not_written_again(tmp_path: Path) -> None:
    store = CleanStore(tmp_path / "clean")
    file, record = kept_file(tmp_path, "one")
    store.keep(record, file)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "clean").glob("*.json")}
    store.keep(record, file)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # Damage is mended.
    next((tmp_path / "clean").glob("*.jsonl")).unlink()
    assert store.lend("s", RECORD_OF, tmp_path / "two.jsonl") is None
    store.keep(record, file)
    assert store.lend("s", RECORD_OF, tmp_path / "two.jsonl") == record


def test_another_search_for_leaks_is_lent_nothing_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CleanStore(tmp_path / "clean")
    file, record = kept_file(tmp_path, "one")
    store.keep(record, file)
    monkeypatch.setattr("pipeline.training.data.clean_store.RULES", RULES + 1)
    assert store.lend("s", RECORD_OF, tmp_path / "two.jsonl") is None
    store.keep(record, file)
    assert len(list((tmp_path / "clean").glob("*.jsonl"))) == 2
