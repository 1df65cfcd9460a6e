from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsearch.corpora.beir import find_splits, read_beir_documents, read_beir_queries, read_qrels
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError
from medsearch.types import Document

GOOD = b'{"_id": "good", "title": "Asthma", "text": "Inhaled steroids prevent attacks."}'


def read(lines: Sequence[bytes], folder: Path) -> tuple[list[Document], Rejects, Path]:
    path = folder / "corpus.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    rejects = Rejects(folder / "rejects.jsonl")
    return list(read_beir_documents(path, "sample", rejects)), rejects, path


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"_id": "a", "text": "cut of', "invalid JSON: Unterminated string"),
        (b'{"_id": "a", "text": "x"} {"_id": "b"}', "invalid JSON: Extra data at character 27"),
        (b'["a", "x"]', "record is a list, not an object"),
        (b"null", "record is null, not an object"),
        (b'{"text": "x"}', "no id (neither _id nor id)"),
        (b'{"_id": null, "text": "x"}', "no id (neither _id nor id)"),
        (b'{"_id": true, "text": "x"}', "id is true or false, not a string"),
        (b'{"_id": 1.5, "text": "x"}', "id is a number, not a string"),
        (b'{"_id": {"$oid": "1"}, "text": "x"}', "id is an object, not a string"),
        (b'{"_id": "  ", "text": "x"}', "id is empty"),
        (b'{"_id": "a", "text": " \\n", "title": ""}', "text and title of 'a' are both empty"),
        (b'{"_id": "a"}', "text and title of 'a' are both empty"),
        (b'{"_id": "a", "text": 7}', "text is a number, not a string"),
        (b'{"_id": "a", "text": "x", "title": ["y"]}', "title is a list, not a string"),
        (b'{"_id": "a", "text": "x", "metadata": ["y"]}', "metadata is a list, not an object"),
        (b'{"_id": "good", "text": "again"}', "duplicate id 'good'; the first record with it is kept"),
        (
            b'{"_id": "a", "text": "caf\xe9"}',
            "broken UTF-8: invalid continuation byte at byte 26 of the line",
        ),
        (b'{"_id": "a", "text": "\\ud83d alone"}', "broken Unicode: half of a surrogate pair"),
        (b'{"_id": 1' + b"0" * 5000 + b', "text": "x"}', "invalid JSON: Exceeds the limit"),
        (b'{"_id": "a", "text": ' + b"[" * 100_000, "invalid JSON: nested more than 100 levels deep"),
    ],
)
def test_a_bad_record_is_set_aside_with_its_line_and_the_rest_is_read(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    documents, rejects, path = read([GOOD, bad, b'{"_id": "last", "text": "y"}'], tmp_path)
    assert [document.doc_id for document in documents] == ["good", "last"]
    assert rejects.count == 1
    assert rejects.examples[0].startswith(f"{path}:2: {reason}")
    row = json.loads((tmp_path / "rejects.jsonl").read_text())
    assert row["raw"] == bad.decode("utf-8", "replace")[:2000]


def test_strict_stops_at_the_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(GOOD + b"\n{\n")
    documents = read_beir_documents(path, "sample", Rejects(strict=True))
    assert next(documents).doc_id == "good"
    with pytest.raises(CorpusError, match=r"corpus\.jsonl:2: invalid JSON"):
        next(documents)


def test_records_take_what_is_common_and_flatten_what_is_not(tmp_path: Path) -> None:
    metadata = {
        "year": "2019", "authors": ["Ng A", "Roe B"], "mesh": [], "grades": [1, 2], "cui": None, "rct": True,
        "nested": {"b": 1, "a": [2]}, "objects": [{"x": 1}], "huge": 2**70,
    }  # fmt: skip
    lines = [
        json.dumps({"_id": 17, "text": "An integer id.", "metadata": metadata}).encode(),
        b'{"id": "b", "title": "No text", "text": null, "metadata": {"source": "NHS", "date": "2020/03/27"}}',
        b'{"_id": "c", "text": "NaN as pandas writes it", "metadata": {"year": NaN, "x": -Infinity}}',
        b'{"_id": "d", "text": "x", "metadata": {"year": "in press"}}',
    ]
    documents, rejects, _ = read(lines, tmp_path)
    assert rejects.count == 0
    assert [document.doc_id for document in documents] == ["17", "b", "c", "d"]
    assert documents[0].metadata == {
        "year": 2019, "authors": ("Ng A", "Roe B"), "mesh": (), "grades": ("1", "2"), "cui": None,
        "rct": True, "nested": '{"a": [2], "b": 1}', "objects": '[{"x": 1}]', "huge": str(2**70),
        "source": "sample",
    }  # fmt: skip
    assert documents[1].metadata == {"source": "NHS", "date": "2020/03/27", "year": 2020}
    assert documents[2].metadata == {"year": None, "x": None, "source": "sample"}
    assert documents[3].metadata["year"] == "in press"


def test_nesting_has_one_limit_however_deep_the_caller_stands(tmp_path: Path) -> None:
    def nested(depth: int) -> bytes:
        return (
            f'{{"_id": "d{depth}", "text": "x [", "metadata": {{"a": {"[" * depth}{"]" * depth}}}}}'.encode()
        )

    lines = [nested(depth) for depth in (1, 97, 98, 99, 500, 2000)]

    def from_below(frames: int) -> tuple[list[str], int]:
        if frames:
            return from_below(frames - 1)
        documents, rejects, _ = read(lines, tmp_path)
        return [document.doc_id for document in documents], rejects.count

    assert from_below(0) == from_below(600) == (["d1", "d97", "d98"], 3)


def test_brackets_in_text_are_no_nesting(tmp_path: Path) -> None:
    text = 'a "quoted\\" [' * 500
    documents, rejects, _ = read([json.dumps({"_id": "a", "text": text}).encode()], tmp_path)
    assert ([document.text for document in documents], rejects.count) == ([text], 0)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ({"kind": 3, "source": True}, {"kind": "3", "source": "true"}),
        ({"kind": 1.5, "source": 0}, {"kind": "1.5", "source": "0"}),
        ({"kind": ["drug", None, 2, ""], "source": []}, {"kind": ("drug", "2"), "source": "sample"}),
        ({"kind": ["drug"], "source": " NHS "}, {"kind": ("drug",), "source": "NHS"}),
        ({"kind": {"a": 1}, "source": None}, {"kind": '{"a": 1}', "source": "sample"}),
        ({"kind": "", "year": ["2019"]}, {"kind": None, "year": 2019, "source": "sample"}),
        ({"year": 2019.0, "source": "x"}, {"year": 2019, "source": "x"}),
        ({"year": "", "date": "2011-02", "source": "x"}, {"year": 2011, "date": "2011-02", "source": "x"}),
    ],
)
def test_what_is_filtered_by_has_one_kind_of_value(
    tmp_path: Path, raw: dict[str, Any], kept: dict[str, Any]
) -> None:
    line = json.dumps({"_id": "a", "text": "x", "metadata": raw}).encode()
    [document] = read([line], tmp_path)[0]
    assert document.metadata == kept
    assert type(document.metadata.get("year", 0)) is int


def test_queries_without_text_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_bytes(b'{"_id": 1, "text": "what is asthma"}\n{"_id": 2, "title": "x", "text": " "}\n')
    rejects = Rejects()
    assert [(query.query_id, query.text) for query in read_beir_queries(path, "s", rejects)] == [
        ("1", "what is asthma")
    ]
    assert rejects.examples == [f"{path}:2: text of query '2' is empty"]


def test_qrels_with_and_without_header_and_with_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_bytes(
        b"query-id\tcorpus-id\tscore\r\nq1\td1\t2\r\nq1\td2\t0\nq2 d1 1\nq2\td1\thigh\nq1\td1\t1\nq3\t\t1\n"
        b"q\xff\td\t1\nq1\td1\t2\nq4\td4\t-1\n"
    )
    rejects = Rejects(tmp_path / "rejects.jsonl")
    assert read_qrels(path, rejects) == {"q1": {"d1": 2, "d2": 0}, "q4": {"d4": -1}}
    reasons = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(row["where"].rpartition(":")[2], row["reason"]) for row in reasons] == [
        ("4", "1 tab-separated columns where query id, document id and grade are wanted"),
        ("5", "grade 'high' is not an integer"),
        ("6", "'q1' and 'd1' are judged twice, 2 and 1; 2 is kept"),
        ("7", "query id or document id is empty"),
        ("8", "broken UTF-8"),
    ]
    headless = tmp_path / "headless.tsv"
    headless.write_text("q1\td1\t1\n")
    assert read_qrels(headless, Rejects()) == {"q1": {"d1": 1}}


def test_splits_are_found_plain_and_gzip(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv.gz").write_bytes(gzip.compress(b"q\td\t1\n"))
    for name in ("dev.tsv", "test.tsv", "notes.tsv.bak"):
        (tmp_path / "qrels" / name).write_text("q\td\t1\n")
    assert {split: path.name for split, path in find_splits(tmp_path).items()} == {
        "dev": "dev.tsv",
        "test": "test.tsv",
    }


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "_id": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
                str.strip
            ),
            "title": TEXT,
            "text": TEXT.map(lambda text: text + "."),
            "metadata": st.dictionaries(
                st.sampled_from(["specialty", "journal", "licence"]),
                st.one_of(TEXT, st.integers(-(2**60), 2**60), st.booleans(), st.none()),
            ),
        }
    ),
    unique_by=lambda record: record["_id"],
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, escape=st.booleans(), packed=st.booleans())
def test_what_is_written_is_read(records: list[dict[str, Any]], escape: bool, packed: bool) -> None:
    data = "".join(json.dumps(record, ensure_ascii=escape) + "\n" for record in records).encode()
    rejects = Rejects()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        path.write_bytes(gzip.compress(data) if packed else data)
        documents = list(read_beir_documents(path, "sample", rejects))
    assert rejects.examples == []
    assert [(document.doc_id, document.title, document.text) for document in documents] == [
        (record["_id"], record["title"], record["text"]) for record in records
    ]
    assert [document.metadata for document in documents] == [
        {**record["metadata"], "source": "sample"} for record in records
    ]


def numbered_records(count: int) -> list[bytes]:
    """Ids three digits apart in every place, so that no single changed byte makes one into another."""
    return [
        json.dumps(
            {"_id": f"{n}{n}{n}-{n}{n}{n}", "title": f"Title {n}", "text": f"Text of {n}. " * 4}
        ).encode()
        for n in range(count)
    ]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), byte=st.integers(0, 255))
def test_one_wrong_byte_costs_its_own_record_only(data: st.DataObject, byte: int) -> None:
    records = numbered_records(8)
    content = bytearray(b"".join(record + b"\n" for record in records))
    position = data.draw(st.integers(0, len(content) - 1))
    hit = content[:position].count(b"\n")
    touched = {hit, hit + 1} if content[position] == ord("\n") else {hit}
    content[position] = byte
    rejects = Rejects()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        path.write_bytes(content)
        documents = {document.doc_id: document for document in read_beir_documents(path, "s", rejects)}
    for number, record in enumerate(records):
        if number not in touched:
            wanted = json.loads(record)
            assert documents[wanted["_id"]].text == wanted["text"]
    assert len(documents) + rejects.count >= 7 - (len(touched) - 1)
    if len(documents) < 8 - (len(touched) - 1):
        assert rejects.count, "a record is missing and nothing was said"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), byte=st.integers(0, 255))
def test_one_wrong_byte_in_gzip_never_raises_and_is_reported(data: st.DataObject, byte: int) -> None:
    records = numbered_records(30)
    content = bytearray(gzip.compress(b"".join(record + b"\n" for record in records), mtime=0))
    content[data.draw(st.integers(0, len(content) - 1))] = byte
    rejects = Rejects()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl.gz"
        path.write_bytes(content)
        documents = list(read_beir_documents(path, "s", rejects))
    if not rejects.count:  # a time stamp or padding bits were hit, or the byte was what it became
        assert [document.text for document in documents] == [json.loads(record)["text"] for record in records]
