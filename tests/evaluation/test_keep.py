"""What `--out` leaves in a folder, and that a half-written folder cannot happen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsearch.errors import MedsearchError
from medsearch.evaluation.evaluate import Evaluation, result_record
from medsearch.evaluation.keep import keep
from medsearch.evaluation.measures import per_query_scores
from medsearch.evaluation.trec import read_qrels, read_run
from medsearch.types import Collection, Qrels, Run

CORPUS_QRELS = {"q1": {"elsewhere": 1}}


def evaluation(retriever: str, run: Run, qrels: Qrels) -> Evaluation:
    return Evaluation(retriever, run, qrels, per_query_scores(qrels, run), 0.0)


def kept(folder: Path, *evaluations: Evaluation) -> None:
    collection = Collection("covid_faq/en", "test", (), (), CORPUS_QRELS)
    keep(result_record(collection, list(evaluations), {}), evaluations, folder)


def test_the_judgements_kept_are_those_scored_by_and_all_can_be_read_back(tmp_path: Path) -> None:
    qrels = {"q1": {"a": 2, "b": 0}}
    run = {"q1": {"b": 2.0, "a": 1.0}}
    kept(tmp_path / "new" / "out", evaluation("hybrid:minilm", run, qrels), evaluation("my run", run, qrels))
    out = tmp_path / "new" / "out"
    assert {file.name for file in out.iterdir()} == {
        f"covid_faq--en.test.{name}.{ending}"
        for name in ("hybrid-minilm", "my-run")
        for ending in ("json", "qrels", "run")
    }
    assert read_qrels(out / "covid_faq--en.test.my-run.qrels") == qrels != CORPUS_QRELS
    assert read_run(out / "covid_faq--en.test.hybrid-minilm.run") == run
    assert read_run(out / "covid_faq--en.test.my-run.run") == run
    record = json.loads((out / "covid_faq--en.test.my-run.json").read_text("utf-8"))
    assert record["queries"] == 1
    assert list(record["models"]) == list(record["per_query"]) == list(record["seconds"]) == ["my run"]
    assert record["per_query"]["my run"]["q1"]["MRR@10"] == 0.5


@pytest.mark.parametrize(
    ("run", "qrels"),
    [
        ({"q1": {"a": 2.0, "d 2": 1.0}}, {"q1": {"a": 1}}),
        ({"q1": {"a": 2.0}}, {"q1": {"a": 1, "d 2": 0}}),
        ({"q1": {"a": 2.0}, "d 2": {"a": 1.0}}, {"q1": {"a": 1}}),
        ({"q1": {"a": 2.0}}, {"q1": {"a": 1}, "d 2": {"a": 1}}),
    ],
)
def test_an_id_that_trec_cannot_carry_is_found_before_anything_is_written(
    tmp_path: Path, run: Run, qrels: Qrels
) -> None:
    good = evaluation("first", {"q1": {"a": 1.0}}, qrels)
    with pytest.raises(MedsearchError, match="the id 'd 2' is empty or holds white space"):
        kept(tmp_path / "out", good, evaluation("second", run, qrels))
    assert not (tmp_path / "out").exists()
