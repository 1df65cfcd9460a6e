"""Training rows: what is read of them, from which files, and what is told of the rest."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contamination_material import CLEAN_ROWS, PLANTED, SUITE, write_corpus, write_lines
from fakes import Heard
from overlap_material import CLEAN, PASSAGES, QUESTIONS

from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from medsearch.workbench.ledger.contamination import ContaminationRequest, Ledger, check_contamination
from medsearch.workbench.ledger.fields import Role, holds_no_text, role_of
from medsearch.workbench.ledger.record import contamination_record
from medsearch.workbench.ledger.training_files import training_files
from medsearch.workbench.ledger.training_texts import Reading, read_training_texts


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """Settings whose data folder has the tiny corpus."""
    write_corpus(tmp_path / "data")
    return Settings.from_environment({"MEDSEARCH_DATA": str(tmp_path / "data")})


def check(place: Settings, *train: Path, **changes: Any) -> Ledger:
    request = replace(ContaminationRequest(train=train, suite=SUITE), **changes)
    return check_contamination(request, place, Heard())


def test_a_bad_line_is_set_aside_and_the_others_are_checked(place: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", [CLEAN_ROWS[0]])
    with file.open("ab") as stream:
        stream.write(b'{"query": \n[1]\n{"score": 0.5}\n\xff\n{"query": "  "}\n')
        stream.write(json.dumps(PLANTED["exact query"]).encode())
    ledger = check(place, file)
    assert (ledger.leaks, ledger.pairs[0].found_in.row, ledger.incomplete) == (1, 7, True)
    unreadable, without = ledger.reading.unreadable, ledger.reading.without_text
    assert (unreadable.count, without.count) == (3, 2)
    assert unreadable.examples[0] == f"{file}:2: not a line of JSON"
    assert without.examples[0] == f"{file}:4: no text; its fields are score: name some with --fields"


def test_a_named_file_without_any_text_is_refused_before_the_benchmark_is_read(tmp_path: Path) -> None:
    nowhere = Settings.from_environment({"MEDSEARCH_DATA": str(tmp_path / "nowhere")})
    short = write_lines(tmp_path / "other.jsonl", [{"body": "Gout"}])
    with pytest.raises(MedsearchError, match=r"no training text in it: .*:1: no text; its fields are body"):
        check(nowhere, short)
    (tmp_path / "array.json").write_text(json.dumps(list(PLANTED.values())))
    with pytest.raises(MedsearchError, match=r"array\.json:1: one object a line is due, not a JSON array"):
        check(nowhere, tmp_path / "array.json")
    with pytest.raises(UsageError, match=r"--fields quest: no training row has a field of this name"):
        check(nowhere, write_lines(tmp_path / "train.jsonl", CLEAN_ROWS), fields=("query", "quest"))


def test_named_fields_are_read_whatever_they_hold(place: Settings, tmp_path: Path) -> None:
    rows = [{"row_id": QUESTIONS[0], "part": {"body": PASSAGES[0]}, "query": QUESTIONS[1]}]
    file = write_lines(tmp_path / "train.jsonl", rows)
    for name, role in (
        ("row_id", Role.TEXT),
        ("part.body", Role.TEXT),
        ("part", Role.TEXT),
        ("query", Role.QUERY),
    ):
        [pair] = check(place, file, fields=(name,)).pairs
        assert (pair.found_in.field.startswith(name), pair.found_in.role) == (True, role)


ODD_FIELDS = {
    "positive_passages.text": {"positive_passages": [{"docid": "1", "title": "", "text": QUESTIONS[0]}]},
    "pos_doc": {"pos_doc": QUESTIONS[0]},
    "content": {"content": QUESTIONS[0]},
    "chunk": {"chunk": QUESTIONS[0]},
    "completion": {"prompt": CLEAN[0], "completion": QUESTIONS[0]},
    "output": {"instruction": CLEAN[0], "output": QUESTIONS[0]},
    "evidence": {"evidence": [[{"quotes": CLEAN[0]}], QUESTIONS[0]]},
    "queries": {"queries": [CLEAN[0], QUESTIONS[0]]},
    "questions": {"questions": [QUESTIONS[0]]},
    "query_text": {"query_text": QUESTIONS[0]},
    "title": {"title": QUESTIONS[0], "answer": CLEAN[3]},
    "messages.content": {"messages": [{"role": "user", "content": QUESTIONS[0]}]},
    "positive.content": {"positive": [{"content": QUESTIONS[0]}]},
    "positive": {"positive": [[QUESTIONS[0], 0.9], ["other", 0.1]]},
    "source": {"source": QUESTIONS[0], "target": CLEAN[3]},
}


@pytest.mark.parametrize("field", ODD_FIELDS)
def test_a_leak_is_found_in_whatever_field_it_stands(field: str, place: Settings, tmp_path: Path) -> None:
    row = {"row_id": "clean, but long enough", "n": 3, **ODD_FIELDS[field]}
    ledger = check(place, write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, row]))
    assert [(pair.found_in.field, pair.owner.text_id) for pair in ledger.pairs] == [(field, "q0")]
    record = contamination_record(ledger)
    assert field in record["fields_read"]
    assert {"row_id", "n"} <= set(record["fields_not_read"])


def test_fields_are_counted_and_their_names_do_not_fill_the_memory(tmp_path: Path) -> None:
    rows = [{"query": "a b", "found_by": "words of a name", "scores": {f"d{n}": n}} for n in range(500)]
    reading = Reading()
    assert len(list(read_training_texts(write_lines(tmp_path / "t.jsonl", rows), reading))) == 500
    assert reading.fields.read == {"query": 500}
    not_read = reading.fields.never_read
    assert (not_read["found_by"], not_read["scores.d0"], len(not_read)) == (500, 1, 101)
    assert not_read["(others)"] == 1000 - 500 - 99


def test_a_folder_of_a_run_is_checked_for_its_rows(place: Settings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_lines(run / "pairs.jsonl", [PLANTED["exact query"]])
    write_lines(run / "convert.journal.jsonl", [{"reason": f"was kept: {QUESTIONS[0]}"}])
    write_lines(run / "judged.jsonl", [{"query_id": "q1", "grade": 1}])
    (run / "dataset_info.json").write_text(json.dumps({"description": QUESTIONS[0]}, indent=1))
    (run / "settings.json").write_text(json.dumps({"base": "minilm"}, indent=1))
    ledger = check(place, run)
    assert (ledger.leaks, [tally.file.path.name for tally in ledger.train]) == (1, ["pairs.jsonl"])
    assert not ledger.incomplete
    assert sorted(ledger.remarks) == [
        "convert.journal.jsonl was left out: it says how the rows were made",
        "dataset_info.json was left out: it says how the rows were made",
        "judged.jsonl was left out: no training text in it",
        "settings.json was left out: no training text in it",
    ]
    (run / "more.json").write_text(json.dumps([PLANTED["exact query"]]))
    assert check(place, run).incomplete
    (run / "pairs.jsonl").unlink()
    (run / "more.json").unlink()
    with pytest.raises(MedsearchError, match="no training text in these folders: convert"):
        check(place, run)


def test_what_is_cut_off_makes_the_check_incomplete(place: Settings, tmp_path: Path) -> None:
    rows = "".join(
        json.dumps({"query": f"{number * 7919 % 9973} {CLEAN[0]}"}) + "\n" for number in range(999)
    )
    packed = gzip.compress(rows.encode())
    (tmp_path / "half.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    ledger = check(place, tmp_path / "half.jsonl.gz")
    record = contamination_record(ledger)
    assert 0 < ledger.train[0].rows < 999
    assert (record["leaks"], record["incomplete"], record["set_aside"]["rows"]) == (0, True, 1)
    assert "1 training row could not be read and may leak unseen" in record["remarks"]


def test_gzip_parquet_and_folders_hold_training_texts_too(place: Settings, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    with gzip.open(folder / "a.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(PLANTED["exact passage"]) + "\n")
    rows = [{"query": CLEAN[0], "positive": CLEAN[3], "negatives": [PASSAGES[0], CLEAN[4]]}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "data" / "b.parquet")
    ledger = check(place, folder)
    assert [(pair.file.name, pair.found_in.field) for pair in ledger.pairs] == [
        ("a.jsonl.gz", "positive"),
        ("b.parquet", "negatives"),
    ]
    (folder / "data" / "b.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(MedsearchError, match=r"b\.parquet: not readable as Parquet"):
        check(place, folder)


def test_what_cannot_be_read_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, said in (
        ("gone.jsonl", "no such file or folder"),
        ("empty", "no .jsonl, .jsonl.gz or .parquet file in this folder"),
        ("notes.txt", "must be .jsonl, .jsonl.gz or .parquet"),
    ):
        with pytest.raises(UsageError, match=said):
            training_files([tmp_path / name])


@pytest.mark.parametrize(
    ("field", "role"),
    [
        ("query", Role.QUERY), ("Question", Role.QUERY), ("anchor", Role.QUERY), ("sentence1", Role.QUERY),
        ("positive", Role.POSITIVE), ("pos", Role.POSITIVE), ("passages", Role.POSITIVE),
        ("sentence2", Role.POSITIVE), ("text", Role.POSITIVE), ("answer_1", Role.POSITIVE),
        ("negatives", Role.NEGATIVE), ("negative_7", Role.NEGATIVE), ("hard_neg", Role.NEGATIVE),
        ("negative_ids", None), ("positive_id", None), ("query_id", None), ("positive_score", None),
        ("split", None), ("found_by", None), ("positive_passages", Role.POSITIVE), ("pos_doc", Role.POSITIVE),
        ("hard_negative_ctxs", Role.NEGATIVE), ("queries", Role.QUERY), ("query_text", Role.QUERY),
        ("content", None), ("title", None),
    ],
)  # fmt: skip
def test_the_role_of_a_field(field: str, role: Role | None) -> None:
    assert role_of(field) is role


@pytest.mark.parametrize(
    ("field", "no_text"),
    [
        ("_id", True), ("row_id", True), ("negative_ids", True), ("docid", True), ("docId", True),
        ("PMID", True),
        ("source_url", True), ("license", True), ("positive_score", True), ("sha256", True), ("split", True),
        ("title", False), ("idea", False), ("valid", False), ("paid", False), ("source", False),
        ("url_text", False),
        ("covid", False), ("profile", False), ("text", False),
    ],
)  # fmt: skip
def test_fields_named_after_ids_addresses_and_scores_hold_no_text(field: str, no_text: bool) -> None:
    assert holds_no_text(field) is no_text


def test_texts_may_be_objects_and_lists(tmp_path: Path) -> None:
    row = {
        "query": "a",
        "pos": [{"title": "T", "text": "b"}, "c", {"text": " "}, 3],
        "neg": None,
        "text": ["d"],
    }
    file = write_lines(tmp_path / "train.jsonl", [row])
    [(number, texts)] = read_training_texts(file, Reading())
    assert (number, [text.text for text in texts]) == (1, ["a", "T b", "b", "c", "d"])
