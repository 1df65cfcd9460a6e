"""What `convert` keeps of judgements below the relevant grade, and how rows are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from convert_material import convert, rows_of, write_corpus

from medsearch.errors import UsageError
from pipeline.journal import PlanChangedError, read_rows
from pipeline.records import JudgedRow
from pipeline.report.stages import read_stage
from pipeline.run_folder import RunFolder

DOCUMENTS = [{"_id": name, "text": f"What is known of the remedy {name} today."} for name in "abcdef"]
QUERIES = [
    {"_id": "q1", "text": "What prevents asthma attacks?"},
    {"_id": "q2", "text": "what prevents ASTHMA attacks"},
    {"_id": "q3", "text": "How is gout treated?"},
]


def judged_of(run: RunFolder) -> list[tuple[str, str, int]]:
    return [(row.query_id, row.passage_id, row.grade) for row in read_rows(run.judged, JudgedRow)]


def test_judgements_below_the_relevant_grade_are_kept_under_the_ids_of_pairs_and_pool(tmp_path: Path) -> None:
    train = [
        ("q1", "a", 3), ("q1", "b", 1), ("q1", "c", 0), ("q1", "d", 0), ("q1", "gone", 0), ("q1", "held", 0),
        ("q2", "c", 1), ("q2", "d", 2), ("q2", "e", 0), ("q3", "a", 1), ("nobody", "a", 0),
    ]  # fmt: skip
    documents = [*DOCUMENTS, {"_id": "held", "text": "Only the test knows this."}]
    corpus = write_corpus(tmp_path / "x", {"train": train, "test": [("qt", "held", 1)]}, documents, QUERIES)
    run, total = convert(corpus, tmp_path / "runs")
    assert [(row.query_id, row.positive_id) for row in rows_of(run)] == [("q1", "a"), ("q1", "d")]
    # q2 asks what q1 asks: one question, of whose grades the highest counts, and d is right (q2).
    # q3 has no pair; held is the test's; gone is nowhere.
    assert judged_of(run) == [("q1", "b", 1), ("q1", "c", 1), ("q1", "e", 0)]
    assert total.seen["judgements below the relevant grade, for mining"] == 3


@pytest.mark.parametrize(("grades", "effective"), [((1, 0), 1), ((3, 1), 2)])
def test_the_grade_that_counts_is_in_the_plan_whether_asked_for_or_not(
    tmp_path: Path, grades: tuple[int, int], effective: int
) -> None:
    train = [("q1", "a", grades[0]), ("q1", "b", grades[1])]
    corpus = write_corpus(tmp_path / "x", {"train": train}, DOCUMENTS, QUERIES)
    run, _ = convert(corpus, tmp_path / "runs")
    record = read_stage(run, "convert")
    assert record is not None
    assert record.plan["min_grade"] == effective
    assert ("min_grade", str(effective)) in record.told()
    again, _ = convert(corpus, tmp_path / "runs", min_grade=effective)  # the same, said aloud
    assert judged_of(again) == [("q1", "b", grades[1])]
    with pytest.raises(PlanChangedError, match=f"min_grade = {effective}, now it is {effective + 1}"):
        convert(corpus, tmp_path / "runs", min_grade=effective + 1)


def test_row_ids_differ_whatever_ids_are_made_of(tmp_path: Path) -> None:
    documents = [{"_id": name, "text": f"Remedy {name}"} for name in ("c", "b|c", 'q"', "ä")]
    queries = [{"_id": "a|b", "text": "What helps?"}, {"_id": "a", "text": "What harms?"}]
    train = [("a|b", "c", 1), ("a", "b|c", 1), ("a", 'q"', 1), ("a", "ä", 1)]
    run, _ = convert(write_corpus(tmp_path / "x", {"train": train}, documents, queries), tmp_path / "runs")
    names = [row.row_id for row in rows_of(run)]
    assert [tuple(json.loads(name)) for name in names] == [(q, d) for q, d, _ in train]
    assert names[0] == '["a|b", "c"]'


def test_judgements_of_another_stage_are_never_overwritten(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "x", {"train": [("q1", "a", 1)]}, DOCUMENTS, QUERIES)
    run = RunFolder(tmp_path / "runs" / "x")
    run.path.mkdir(parents=True)
    run.judged.write_text("precious\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"was not made by convert \(it has judged.jsonl\)"):
        convert(corpus, tmp_path / "runs")
    assert run.judged.read_text(encoding="utf-8") == "precious\n"
