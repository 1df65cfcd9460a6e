"""TREC files: what is written is read back, and what is wrong is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.errors import UsageError
from medsearch.evaluation.trec import read_qrels, read_run, write_qrels, write_run
from medsearch.ranking import ranked

ids = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)
runs = st.dictionaries(
    ids,
    st.dictionaries(ids, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    max_size=4,
)
judgements = st.dictionaries(ids, st.dictionaries(ids, st.integers(0, 3), min_size=1, max_size=6), max_size=4)


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
        ("q1 Q0 d1 1 high tag", r"bad:2: the score 'high' is not a finite number"),
    ],
)
def test_a_bad_run_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "bad").write_text(f"q1 Q0 d0 1 0.9 tag\n{line}\n")
    with pytest.raises(UsageError, match=complaint):
        read_run(tmp_path / "bad")


def test_a_bad_judgement_and_an_id_with_a_space_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("q1 0 d1 yes\n")
    with pytest.raises(UsageError, match="bad:1: the grade 'yes' is not a whole number"):
        read_qrels(tmp_path / "bad")
    with pytest.raises(UsageError, match="the id 'd 1' is empty or holds white space"):
        write_run({"q": {"d 1": 1.0}}, tmp_path / "a.run", tag="t")
