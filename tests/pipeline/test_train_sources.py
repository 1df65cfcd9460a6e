"""Reading training examples: which rows count, and what is said of those that do not."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest
from fakes import Heard
from training_material import pair_row, triplet_row, write_rows

from medsearch.errors import MedsearchError, UsageError
from pipeline.training.data.source_names import numbered
from pipeline.training.data.sources import SourceReader
from pipeline.training.job import TrainingExample
from pipeline.training.recipe import DataTable


def reader(runs: Path, **options: bool) -> SourceReader:
    return SourceReader(runs, 13, Heard(), **options)


def test_triplets_of_a_run_come_before_its_pairs(tmp_path: Path) -> None:
    write_rows(tmp_path / "both" / "pairs.jsonl", [pair_row(0, "q", "p")])
    file = write_rows(tmp_path / "both" / "triplets.jsonl", [triplet_row(0, "q", "p", ["n", "m"])])
    write_rows(tmp_path / "pairs-only" / "pairs.jsonl", [pair_row(1, "r", "s")])
    (tmp_path / "pairs-only" / "triplets.jsonl").touch()
    both, pairs = reader(tmp_path).read((DataTable(run="both"), DataTable(run="pairs-only", weight=0.5)))
    assert both.rows == (TrainingExample("q", "p", ("n", "m"), query_id="q0", document="made/d0"),)
    assert (both.name, both.sha256) == ("both", sha256(file.read_bytes()).hexdigest())
    assert pairs.rows == (TrainingExample("r", "s", (), query_id="q1", document="made/d1"),)
    assert pairs.weight == 0.5


def test_without_negatives_a_run_gives_its_pairs(tmp_path: Path) -> None:
    write_rows(tmp_path / "both" / "pairs.jsonl", [pair_row(0, "q", "p"), pair_row(1, "r", "s")])
    write_rows(tmp_path / "both" / "triplets.jsonl", [triplet_row(0, "q", "p", ["n"])])
    write_rows(tmp_path / "mined" / "triplets.jsonl", [triplet_row(2, "x", "y", ["n"])])
    tables = (DataTable(run="both"), DataTable(run="mined"))
    reading = reader(tmp_path, negatives=False)
    assert [file.name for file in reading.files(tables)] == ["pairs.jsonl", "triplets.jsonl"]
    both, mined = reading.read(tables)
    assert [row.query for row in both.rows] == ["q", "r"]
    assert [row.query for row in mined.rows] == ["x"]


def test_every_source_has_a_name_of_its_own(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows" / "pairs.jsonl", [pair_row(0, "q", "p")])
    files = [
        write_rows(tmp_path / place / "rows.jsonl", [pair_row(number, f"q{number}", f"p{number}")])
        for number, place in enumerate("ab", start=1)
    ]
    tables = (DataTable(run="rows"), *(DataTable(file=str(file)) for file in files))
    names = ["rows", "rows-2.jsonl", "rows-3.jsonl"]
    assert list(reader(tmp_path).files(tables).values()) == names
    assert [source.name for source in reader(tmp_path).read(tables)] == names
    assert numbered(["a-2.jsonl", "a.jsonl", "a.json.gz", "a.txt"]) == [
        "a-2.jsonl", "a.jsonl", "a-3.json.gz", "a.txt",
    ]  # fmt: skip


def test_a_file_may_be_packed_and_must_be_whole(tmp_path: Path) -> None:
    line = json.dumps(pair_row(0, "q", "p")).encode() + b"\n"
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(line))
    (source,) = reader(tmp_path).read((DataTable(file=str(packed)),))
    assert len(source.rows) == 1
    packed.write_bytes(gzip.compress(line * 50)[:-9])
    with pytest.raises(MedsearchError, match="is not a whole gzip file"):
        reader(tmp_path).read((DataTable(file=str(packed)),))
    packed.write_bytes(b"not gzip")
    with pytest.raises(MedsearchError, match="is not a whole gzip file"):
        reader(tmp_path).read((DataTable(file=str(packed)),))


def test_only_train_rows_and_each_pair_once(tmp_path: Path) -> None:
    rows = [
        triplet_row(0, "q", "p", ["n"]),
        triplet_row(1, "q", "p", ["other"]),
        triplet_row(2, "d", "e", ["n"]) | {"split": "dev"},
        triplet_row(3, "q", "p2", ["p2", "", "q", "n", "n"]),
    ]
    first, second = (
        write_rows(tmp_path / "a.jsonl", rows),
        write_rows(tmp_path / "b.jsonl", [rows[0], pair_row(9, "x", "y")]),
    )
    a, b = reader(tmp_path).read((DataTable(file=str(first)), DataTable(file=str(second))))
    assert a.rows == (
        TrainingExample("q", "p", ("n",), query_id="q0", document="made/d0"),
        TrainingExample("q", "p2", ("n",), query_id="q3", document="made/d3"),
    )
    assert a.counts == {"seen before": 1, "of another split": 1, "used": 2}
    assert b.rows == (TrainingExample("x", "y", (), query_id="q9", document="made/d9"),)


def test_bad_rows_are_set_aside_with_file_and_line(tmp_path: Path) -> None:
    good = json.dumps(pair_row(0, "q", "p")).encode()
    bad = [b"{", b'"text"', b"\xff\xfe", json.dumps(pair_row(1, " ", "p")).encode()]
    unknown = json.dumps(pair_row(2, "q", "p") | {"mood": 1}).encode()
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n".join([good, *bad, b"", unknown]) + b"\n")
    heard = Heard()
    reading = SourceReader(tmp_path, 13, heard)
    (source,) = reading.read((DataTable(file=str(file)),))
    assert source.counts == {"bad": 5, "used": 1}
    assert heard.lines == ["rows.jsonl: 5 rows could not be used, set aside"]
    reading.keep_rejects(tmp_path / "rejects.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert [(row["file"], row["line"]) for row in kept] == [(str(file), number) for number in (2, 3, 4, 5, 7)]
    assert kept[3]["reason"] == "query or positive is blank"
    assert kept[4]["reason"].startswith("mood: ")
    with pytest.raises(MedsearchError, match=r"rows\.jsonl:2 cannot be used"):
        reader(tmp_path, strict=True).read((DataTable(file=str(file)),))


def test_some_rows_of_many_are_the_same_ones_each_time(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [pair_row(n, f"q{n}", f"p{n}") for n in range(50)])
    table = DataTable(file=str(file), rows=7)
    (one,), (two,) = reader(tmp_path).read((table,)), reader(tmp_path).read((table,))
    assert one.rows == two.rows
    assert len(set(one.rows)) == 7
    (other,) = SourceReader(tmp_path, 14, Heard()).read((table,))
    assert other.rows != one.rows


def test_rows_that_belong_together_are_drawn_by_the_document(tmp_path: Path) -> None:
    sources = [{"corpus": "made", "doc_id": f"d{n // 3}"} for n in range(30)]
    rows = [pair_row(n, f"q{n}", f"p{n}") | {"source": source} for n, source in enumerate(sources)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    (some,) = reader(tmp_path).read((DataTable(file=str(file), rows=11, together=True),))
    assert some.together
    assert len(some.rows) == 9
    assert sorted({row.document for row in some.rows}) == sorted(some.rows[n].document for n in (0, 3, 6))
    numbers = [int(row.query[1:]) for row in some.rows]
    assert numbers == sorted(numbers)
    (few,) = reader(tmp_path).read((DataTable(file=str(file), rows=2, together=True),))
    assert len({row.document for row in few.rows}) == 1
    assert len(few.rows) == 2


def test_what_is_missing_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no run called 'medquad-train'.*convert medquad --split train --run medquad-train"
    ):
        reader(tmp_path).read((DataTable(run="medquad-train"),))
    with pytest.raises(
        UsageError,
        match=r"no run called 'crops'.*`make training-data` makes it.*pipeline crop --run crops --of",
    ):
        reader(tmp_path).read((DataTable(run="crops"),))
    (tmp_path / "begun").mkdir()
    with pytest.raises(
        UsageError, match=r"neither triplets nor pairs yet: `python -m pipeline mine --run begun`"
    ):
        reader(tmp_path).read((DataTable(run="begun"),))
    with pytest.raises(UsageError, match="there is no file"):
        reader(tmp_path).read((DataTable(file="none.jsonl"),))
    dev = write_rows(tmp_path / "dev.jsonl", [triplet_row(0, "q", "p", ["n"]) | {"split": "dev"}])
    with pytest.raises(MedsearchError, match=r"no row to train on \(1 of another split\)"):
        reader(tmp_path).read((DataTable(file=str(dev)),))
