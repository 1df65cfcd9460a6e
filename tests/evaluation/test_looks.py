"""The ledger of looks loses no line, whoever writes at the same time, and counts by family."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from pydantic import ValidationError

from medsearch.errors import MedsearchError
from medsearch.evaluation.looks import Ledger, Look, looks_at, looks_at_task, read_looks, record_looks


def look(task: str = "medquad:test", *, family: str = "minilm", retriever: str = "minilm") -> Look:
    return Look(
        when=datetime(2026, 1, 2, tzinfo=UTC),
        task=task,
        retriever=retriever,
        family=family,
        revision="1",
        suite="medical-local",
        git_revision="abc",
        queries=3739,
    )


def test_looks_are_added_in_order_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "results" / "looks.jsonl"
    assert read_looks(file).looks == ()
    record_looks(file, [])
    assert not file.exists()
    odd = look('covid\n"faq"/en:test', retriever="hybrid:minilm\u2028")
    record_looks(file, [look()])
    record_looks(file, [odd, look()])
    assert read_looks(file) == Ledger((look(), odd, look()))
    assert len(file.read_bytes().splitlines()) == 3


def write_many(work: tuple[Path, str]) -> None:
    file, family = work
    for number in range(25):
        record_looks(file, [look(f"{number}:test", family=family)] * 2)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_looks_written_at_the_same_time_are_all_there(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "looks.jsonl"
    work = [(file, family) for family in "abcd"]
    if kind == "threads":
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write_many, work))
    else:
        with get_context("fork").Pool(4) as processes:
            processes.map(write_many, work)
    ledger = read_looks(file)
    assert ledger.warnings == ()
    for family in "abcd":
        assert [looks_at_task(ledger.looks, family, f"{number}:test") for number in range(25)] == [2] * 25


def test_counts_are_of_a_family_and_a_suite_was_seen_as_often_as_its_most_seen_task() -> None:
    looks = [look("a:test"), look("a:test", retriever="hybrid:minilm"), look("b:test"), look(family="bm25")]
    counts = {task: looks_at_task(looks, "minilm", task) for task in ("a:test", "b:test")}
    assert counts == {"a:test": 2, "b:test": 1}
    assert looks_at_task(looks, "bge", "a:test") == 0
    assert looks_at(counts, ["a:test", "b:test", "never:test"]) == 2
    assert looks_at(counts, ["b:test"]) == 1
    assert looks_at(counts, []) == 0


def test_a_copy_of_a_task_is_known_by_its_judgements() -> None:
    looks = [look("a:test").model_copy(update={"qrels_hash": "1"}), look("b:test")]
    assert looks_at_task(looks, "minilm", "copy:test", "1") == 1
    assert looks_at_task(looks, "minilm", "a:test", "1") == 1, "one look by name and judgements is one"
    assert looks_at_task(looks, "minilm", "copy:test", "") == 0, "what is not known is nothing's copy"


def test_a_line_that_is_no_look_is_told_of_and_the_others_count(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    record_looks(file, [look()])
    with file.open("ab") as stream:
        stream.write(b'not json\n\n{"task": "x"}\n\xff\xfe\n')
    record_looks(file, [look("b:test")])
    ledger = read_looks(file)
    assert [one.task for one in ledger.looks] == ["medquad:test", "b:test"]
    assert [warning.split(":")[1] for warning in ledger.warnings] == ["2", "4", "5"]
    assert all(warning.startswith(f"{file}:") for warning in ledger.warnings)
    assert "not a look, so not counted" in ledger.warnings[0]
    assert "(when: Field required)" in ledger.warnings[1]


def test_a_line_cut_short_by_a_full_disk_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    record_looks(file, [look(), look("cut:test")])
    file.write_bytes(file.read_bytes()[:-20])
    record_looks(file, [look("b:test")])
    ledger = read_looks(file)
    assert [one.task for one in ledger.looks] == ["medquad:test", "b:test"]
    assert len(ledger.warnings) == 1


def test_a_ledger_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedsearchError, match="cannot be read: Is a directory"):
        read_looks(tmp_path)
    with pytest.raises(MedsearchError, match="a look at a test set cannot be noted: Is a directory"):
        record_looks(tmp_path, [look()])
    (tmp_path / "file").touch()
    with pytest.raises(MedsearchError, match=r"cannot be noted: .*; make the file writable, or name another"):
        record_looks(tmp_path / "file" / "looks.jsonl", [look()])


def test_a_look_without_its_family_is_none() -> None:
    with pytest.raises(ValidationError, match="family"):
        look(family="")
