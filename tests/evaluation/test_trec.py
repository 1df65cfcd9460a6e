"""TREC files: what is written is read back, and what is wrong is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.errors import MedsearchError
from medsearch.evaluation.measures import MAX_GRADE
from medsearch.evaluation.trec import read_qrels, read_run, write_qrels, write_run
from medsearch.ranking import ranked

ids = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)
runs = st.dictionaries(
    ids,
    st.dictionaries(ids, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)
judgements = st.dictionaries(
    ids, st.dictionaries(ids, st.integers(-2, 3), min_size=1, max_size=6), min_size=1, max_size=4
)


@given(run=runs)
def test_a_run_comes_back_the_same_and_in_order(run: dict[str, dict[str, float]], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]  # pytest's fixture
    file = tmp_path_factory.mktemp("run") / "a.run"
    write_run(run, file, tag="test")
    assert read_run(file) == run
    order = [(line.split()[0], line.split()[2]) for line in file.read_text("utf-8").split("\n") if line]
    assert order == [(query_id, doc_id) for query_id in run for doc_id, _ in ranked(run[query_id])]


@given(qrels=judgements)
def test_judgements_come_back_the_same(qrels: dict[str, dict[str, int]], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]  # pytest's fixture
    file = tmp_path_factory.mktemp("qrels") / "a.qrels"
    write_qrels(qrels, file)
    assert read_qrels(file) == qrels


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("q1 Q0 d1 1 0.5", r"bad:2: 5 columns where 6 are due"),
        ("q1 Q0 d1 1 nan tag", r"bad:2: the score 'nan' is not a finite number"),
        ("q1 Q0 d1 1 1e999 tag", r"bad:2: the score '1e999' is not a finite number"),
        ("q1 Q0 d1 1 high tag", r"bad:2: the score 'high' is not a finite number"),
        ("q1 Q0 d0 2 0.1 tag", r"bad:2: query 'q1' ranks document 'd0' a second time"),
    ],
)
def test_a_bad_run_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "bad").write_text(f"q1 Q0 d0 1 0.9 tag\n{line}\n")
    with pytest.raises(MedsearchError, match=complaint) as caught:
        read_run(tmp_path / "bad")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("q1 0 d1 yes", r"bad:2: the grade 'yes' is not a whole number"),
        ("q1 0 d1 1_0", r"bad:2: the grade '1_0' is not a whole number"),
        ("q1 0 d1 1.0", r"bad:2: the grade '1.0' is not a whole number"),
        ("q1 0 d1 2147483648", r"bad:2: the grade 2147483648 is not from -2,147,483,648 to 1,000,000"),
        ("q1 0 d1 1000001", r"bad:2: the grade 1000001 is not from"),
        ("q1 0 d1 -2147483649", r"bad:2: the grade -2147483649 is not from"),
        (f"q1 0 d1 {'9' * 5000}", r"bad:2: the grade '9{40}' is not"),
        ("q1 0 d0 1", r"bad:2: query 'q1' judges document 'd0' a second time"),
    ],
)
def test_a_bad_judgement_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "bad").write_text(f"q1 0 d0 1\n{line}\n")
    with pytest.raises(MedsearchError, match=complaint) as caught:
        read_qrels(tmp_path / "bad")
    assert caught.value.exit_code == 1


def test_the_extreme_grades_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.qrels").write_text("q 0 low -2147483648\nq 0 high +1000000\n")
    assert read_qrels(tmp_path / "a.qrels") == {"q": {"low": -(2**31), "high": MAX_GRADE}}


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text("q Q0 d 1 0.5 tag\n", encoding="utf-8-sig")
    (tmp_path / "a.qrels").write_text("q 0 d 1\r\n", encoding="utf-8-sig")
    assert read_run(tmp_path / "a.run") == {"q": {"d": 0.5}}
    assert read_qrels(tmp_path / "a.qrels") == {"q": {"d": 1}}


def test_files_that_are_missing_empty_or_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "blank").write_text("\n  \n")
    (tmp_path / "latin").write_bytes(b"q Q0 d\xe9 1 0.5 tag\n")
    with pytest.raises(MedsearchError, match=r"nowhere: cannot be read: No such file or directory$"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(MedsearchError, match="cannot be read: Is a directory"):
        read_qrels(tmp_path)
    with pytest.raises(MedsearchError, match=r"blank: the file is empty \(query_id 0 doc_id grade is due\)"):
        read_qrels(tmp_path / "blank")
    with pytest.raises(MedsearchError, match="latin: not UTF-8 text, after line 0"):
        read_run(tmp_path / "latin")


def test_an_id_with_a_space_leaves_no_file(tmp_path: Path) -> None:
    for name in ("d 1", "", "d\u00a01"):
        with pytest.raises(MedsearchError, match="is empty or holds white space"):
            write_run({"q": {"a": 2.0, name: 1.0}}, tmp_path / "a.run", tag="t")
        with pytest.raises(MedsearchError, match="is empty or holds white space"):
            write_qrels({"q": {"a": 1}, name: {"a": 1}}, tmp_path / "a.qrels")
    with pytest.raises(MedsearchError, match="the id 'my tag'"):
        write_run({"q": {"a": 2.0}}, tmp_path / "a.run", tag="my tag")
    assert list(tmp_path.iterdir()) == []
