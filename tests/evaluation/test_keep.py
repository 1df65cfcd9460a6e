"""What `--out` leaves in a folder, and that a half-written folder cannot happen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.evaluate import Evaluation, result_record
from medsearch.evaluation.keep import add_cost, keep, kept_evaluation, ready_folder
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


def test_names_that_are_one_to_the_file_system_are_kept_beside_each_other(tmp_path: Path) -> None:
    one = evaluation("bm25", {"q1": {"a": 1.0}}, {"q1": {"a": 1}})
    for corpus in ("aa/bb", "aa--bb", "aa/bb"):
        keep(result_record(Collection(corpus, "test", (), (), one.qrels), [one], {}), [one], tmp_path)
    found = {json.loads(file.read_text("utf-8"))["corpus"]: file.name for file in tmp_path.glob("*.json")}
    assert found == {"aa/bb": "aa--bb.test.bm25.json", "aa--bb": "aa--bb.test.bm25.2.json"}


def test_a_kept_evaluation_is_read_back_with_its_cost_and_nothing_partial_stays(tmp_path: Path) -> None:
    one = evaluation("my run", {"q1": {"b": 2.0, "a": 1.0}}, {"q1": {"a": 2, "b": 0}})
    kept(tmp_path, one)
    [file] = tmp_path.glob("*.json")
    add_cost(file, "my run", {"query_ms_p50": 1.0})
    assert kept_evaluation(file, "my run") == one
    assert json.loads(file.read_text("utf-8"))["cost"] == {"my run": {"query_ms_p50": 1.0}}
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".run", ".qrels"}


def test_a_write_that_fails_leaves_the_result_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = evaluation("bm25", {"q1": {"a": 1.0}}, {"q1": {"a": 1}})
    kept(tmp_path, one)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medsearch.evaluation.keep.write_run", full)
    with pytest.raises(MedsearchError, match=r"bm25\.run: cannot be written: No space left on device"):
        kept(tmp_path, one)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UsageError, match=r"file/out: results cannot be kept there: Not a directory; name another"
    ):
        ready_folder(tmp_path / "file" / "out")
    ready_folder(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []
