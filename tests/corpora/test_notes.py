from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsearch.corpora.notes import read_notes
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document


def read(content: bytes, folder: Path, name: str = "notes.csv") -> tuple[list[Document], Rejects, Path]:
    path = folder / name
    path.write_bytes(content)
    rejects = Rejects()
    return list(read_notes([path], "ward", rejects)), rejects, path


def test_json_lines_with_either_name_for_id_and_text(tmp_path: Path) -> None:
    lines = (
        b'{"_id": "a", "text": "Cough."}\n{"id": 2, "note": "Rash.", "metadata": {"kind": "letter"}}\n'
        b'{"id": 3}\n'
    )
    for name, content in (("n.jsonl", lines), ("n.jsonl.gz", gzip.compress(lines))):
        notes, rejects, path = read(content, tmp_path, name)
        assert [(note.doc_id, note.text, note.metadata["kind"]) for note in notes] == [
            ("a", "Cough.", "clinical_note"),
            ("2", "Rash.", "letter"),
        ]
        assert notes[0].metadata["source"] == "ward"
        assert rejects.examples == [f"{path}:3: text and title of '3' are both empty"]


def test_a_note_whose_kind_is_null_is_a_clinical_note(tmp_path: Path) -> None:
    [note], _, _ = read(b'{"id": 1, "note": "x", "metadata": {"kind": null}}\n', tmp_path, "n.jsonl")
    assert note.metadata["kind"] == "clinical_note"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_columns_beside_id_text_title_are_metadata(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["ID", " Title ", "Note", "Year", "Specialty"],
        ["7", "Letter", 'He said "x; y, z"\r\n\r\nand left.', "2021", ""],
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    notes, rejects, _ = read(b"\xef\xbb\xbf" + out.getvalue().encode(), tmp_path)
    assert rejects.count == 0
    assert notes == [
        Document(
            "7",
            "Letter",
            'He said "x; y, z"\r\n\r\nand left.',
            {"kind": "clinical_note", "year": 2021, "source": "ward"},
        )
    ]


def test_missing_columns_are_named_with_the_file_and_line(tmp_path: Path) -> None:
    notes, rejects, path = read(b"\nnumber,transcription\n1,Cough\n", tmp_path)
    assert notes == []
    assert rejects.examples == [
        f"{path}:2: no column _id or id and text or note; the columns are number, transcription"
    ]
    _, rejects, path = read(b"", tmp_path)
    assert rejects.examples == [f"{path}:1: no column _id or id and text or note; the columns are none"]


def test_bad_rows_are_set_aside_at_the_line_they_start_on(tmp_path: Path) -> None:
    content = (
        b'id,text\n1,"two\nlines"\n2,caf\xe9\n3,a,b\n4\n,no id\n1,again\n5,"a "quote" inside"\n6,  \n7,good\n'
    )
    notes, rejects, path = read(content, tmp_path)
    assert [note.doc_id for note in notes] == ["1", "7"]
    rejects = Rejects(tmp_path / "rejects.jsonl")
    list(read_notes([path], "ward", rejects))
    rows = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(int(row["where"].rpartition(":")[2]), row["reason"]) for row in rows] == [
        (4, "broken UTF-8; save the file as UTF-8"),
        (5, "3 columns where the header has 2"),
        (6, "1 columns where the header has 2"),
        (7, "id is empty"),
        (8, "duplicate id '1'; the first record with it is kept"),
        (9, "invalid CSV: ',' expected after '\"' (a quote not closed or not doubled); lines 9 to 10 are set "
            "aside with it"),
    ]  # fmt: skip


def test_rows_below_an_unclosed_quote_are_still_read(tmp_path: Path) -> None:
    rows = b"".join(b"n%d,Text of note %d\n" % (number, number) for number in range(2, 400))
    notes, rejects, path = read(b'id,text\nn1,"never closed\n' + rows, tmp_path)
    assert [note.doc_id for note in notes] == [f"n{number}" for number in range(2, 400)]
    assert rejects.count == 1
    assert rejects.examples[0].startswith(
        f"{path}:2: invalid CSV: unexpected end of data (a quote not closed"
    )


def test_lines_of_a_broken_note_do_not_become_notes(tmp_path: Path) -> None:
    content = b'id,text\nn1,good\nn2,"She said "no"\nfever, cough\nrash, itch"\nn3,good\n'
    notes, rejects, path = read(content, tmp_path)
    assert [note.doc_id for note in notes] == ["n1", "n3"]
    assert rejects.count == 1
    assert rejects.examples[0].startswith(f"{path}:3: invalid CSV")
    assert rejects.examples[0].endswith("lines 3 to 5 are set aside with it")


def test_ids_are_unique_across_the_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,x\n")
    (tmp_path / "b.jsonl").write_text('{"id": 1, "text": "y"}\n{"id": 2, "text": "z"}\n')
    rejects = Rejects()
    notes = read_notes([tmp_path / "a.csv", tmp_path / "b.jsonl"], "ward", rejects)
    assert [note.text for note in notes] == ["x", "z"]
    assert rejects.examples == [
        f"{tmp_path / 'b.jsonl'}:1: duplicate id '1'; the first record with it is kept"
    ]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(
        st.tuples(CELL.filter(str.strip), CELL, CELL.map(lambda text: text + ".")), unique_by=lambda r: r[0]
    ),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    packed=st.booleans(),
)
def test_what_csv_writes_is_read(rows: list[tuple[str, str, str]], quoting: int, packed: bool) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)
    writer.writerow(["id", "title", "text"])
    writer.writerows(rows)
    data = out.getvalue().encode()
    with tempfile.TemporaryDirectory() as folder:
        notes, rejects, _ = read(gzip.compress(data) if packed else data, Path(folder), "notes.csv")
    assert rejects.examples == []
    assert [(note.doc_id, note.title, note.text) for note in notes] == rows


@settings(max_examples=300, deadline=None)
@given(data=st.data(), byte=st.integers(0, 255))
def test_one_wrong_byte_never_raises_and_spares_the_rows_around(data: st.DataObject, byte: int) -> None:
    rows = [(f"{n}{n}{n}-{n}{n}{n}", f'Note {n} says "rest", daily') for n in range(8)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("id", "text"), *rows])
    content = bytearray(out.getvalue().encode())
    start = content.index(b"\n") + 1
    position = data.draw(st.integers(start, len(content) - 1))
    hit = content[:position].count(b"\n") - 1
    content[position] = byte
    with tempfile.TemporaryDirectory() as folder:
        notes, rejects, _ = read(bytes(content), Path(folder))
    found = {note.doc_id: note.text for note in notes}
    for number, (note_id, text) in enumerate(rows):
        if abs(number - hit) > 1:
            assert found.get(note_id) == text
    if len(found) < len(rows):
        assert rejects.count, "a row is missing and nothing was said"


def test_real_notes_are_read_whole(real_data: Path) -> None:
    files = [real_data / "clinical_notes" / name for name in ("aci_bench.jsonl.gz", "mtsamples.jsonl.gz")]
    rejects = Rejects()
    notes = list(read_notes(files, "clinical_notes", rejects))
    assert len(notes) == 207 + 909  # the counts of the folder's README
    assert rejects.count == 0
    assert {note.metadata["kind"] for note in notes} == {"clinical_note"}
    allergic = next(note for note in notes if note.doc_id == "mts0001")
    assert allergic.title == "Allergic Rhinitis"
    assert allergic.text.startswith(
        "SUBJECTIVE: This 23-year-old white female presents with complaint of allergies."
    )
