"""A TREC run file is scored by the judgements named, and what does not fit together is said or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import Heard

from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import MedsearchError
from medsearch.search.run_file import RunFileRequest, score_run_file
from medsearch.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A corpus `own` of three documents, whose test split also judges a lost one."""
    folder = tmp_path / "data" / "own"
    (folder / "qrels").mkdir(parents=True)
    for name, ids in (("corpus", ["a", "b", "q1"]), ("queries", ["q1", "q2"])):
        rows = [json.dumps({"_id": key, "text": f"text {key}"}) for key in ids]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    judged = "query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tb\t1\nq2\tlost\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged)
    return Settings((tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None)


def request(settings: Settings, tmp_path: Path, run: str, qrels: str | None = None) -> RunFileRequest:
    (tmp_path / "my.run").write_text(run)
    if qrels is not None:
        (tmp_path / "my.qrels").write_text(qrels)
    file = None if qrels is None else tmp_path / "my.qrels"
    return RunFileRequest(find_corpus("own", settings.data), "test", tmp_path / "my.run", file)


def test_the_corpus_judges_where_no_file_does(settings: Settings, tmp_path: Path) -> None:
    asked = request(settings, tmp_path, "q1 Q0 b 1 2.0 t\nq1 Q0 a 2 1.0 t\n")
    record, evaluation = score_run_file(asked, settings, heard := Heard())
    assert evaluation.scores["q1"]["MRR@10"] == 0.5
    assert (record["queries"], record["queries_judged"]) == (2, 2)
    assert record["models"]["my"]["MRR@10"] == pytest.approx(0.25)
    assert [warning.rsplit("/", 1)[-1] for warning in record["warnings"]] == [
        "test.tsv: 1 document id is judged but not in the corpus (lost)",
        "judged queries that the run lacks, each scored 0: 1 (q2)",
    ]
    assert heard.lines == [f"warning: {warning}" for warning in record["warnings"]]


def test_the_queries_counted_and_the_judgements_kept_are_those_of_the_file(
    settings: Settings, tmp_path: Path
) -> None:
    judged = "q1 0 b 1\nq3 0 a 1\nq4 0 gone 1\nq5 0 a 0\n"
    asked = request(settings, tmp_path, "q1 Q0 b 1 2.0 t\nq9 Q0 zz 1 1.0 t\n", judged)
    record, evaluation = score_run_file(asked, settings, Heard())
    assert evaluation.qrels == {"q1": {"b": 1}, "q3": {"a": 1}, "q4": {"gone": 1}, "q5": {"a": 0}}
    assert (record["queries"], record["queries_judged"]) == (3, 4)
    assert set(record["per_query"]["my"]) == {"q1", "q3", "q4"}
    assert record["models"]["my"]["MRR@10"] == pytest.approx(1 / 3)
    assert record["warnings"] == [
        "documents of the judgements that are not in the corpus: 1 (gone)",
        "documents of the run that are not in the corpus: 1 (zz)",
        "queries of the run without a judgement, left out: 1 (q9)",
        "judged queries that the run lacks, each scored 0: 2 (q3, q4)",
    ]


def test_identical_ids_are_passed_over_in_a_run_too(settings: Settings, tmp_path: Path) -> None:
    plain = request(settings, tmp_path, "q1 Q0 q1 1 2.0 t\nq1 Q0 a 2 1.0 t\n")
    asked = RunFileRequest(plain.location, "test", plain.run, ignore_identical_ids=True)
    for one, expected in ((plain, 0.5), (asked, 1.0)):
        record, evaluation = score_run_file(one, settings, Heard())
        assert evaluation.scores["q1"]["MRR@10"] == expected
        assert record["settings"]["ignore_identical_ids"] is one.ignore_identical_ids


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        ("x1 Q0 a 1 2.0 t\n", r"my\.run: none of its queries \(1 \(x1\)\) has a relevant document"),
        ("", r"my\.run: the file is empty"),
    ],
)
def test_a_run_of_nothing_that_is_judged_is_refused(
    settings: Settings, tmp_path: Path, run: str, complaint: str
) -> None:
    with pytest.raises(MedsearchError, match=complaint) as caught:
        score_run_file(request(settings, tmp_path, run), settings, Heard())
    assert caught.value.exit_code == 1
