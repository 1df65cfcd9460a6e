"""A suite run: every result kept at once, none made twice, whatever is stopped or in the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from suite_material import QUERIES, SUITE, Bench, suite_bench

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.results import read_results
from medsearch.evaluation.trec import read_run
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return suite_bench(tmp_path, monkeypatch)


def test_one_result_a_task_and_retriever_with_its_own_models_only(bench: Bench) -> None:
    results = bench.run("bm25,topics,hybrid:topics")
    assert [(r.task, r.retriever) for r in results] == [
        (task, name) for task in ("one:test", "more/two:test") for name in ("bm25", "topics", "hybrid:topics")
    ]
    kept = read_results(bench.out)
    assert {(r.task, r.retriever): r.means for r in kept} == {(r.task, r.retriever): r.means for r in results}
    models = {r.retriever: set(r.settings["models"]) for r in kept}
    assert models == {"bm25": {"bm25"}, "topics": {"topics"}, "hybrid:topics": {"topics", "bm25"}}
    assert {r.retriever for r in kept if r.settings["fusion"]} == {"hybrid:topics"}
    assert all(read_run(r.run_file).keys() == {"q1", "q2"} and r.qrels_file.exists() for r in kept)
    assert next(r for r in kept if r.retriever == "topics").means["nDCG@10"] == 1.0


def test_a_second_run_makes_nothing_again_and_is_no_look(bench: Bench) -> None:
    first = bench.run("bm25,topics")
    encoded = sum(len(encoder.queries) for encoder in bench.encoders)
    assert encoded == 2 * len(QUERIES)
    looks = bench.looks()
    assert looks == [
        (task, name, name) for task in ("one:test", "more/two:test") for name in ("bm25", "topics")
    ]
    assert bench.run("bm25,topics") == first
    assert bench.looks() == looks
    assert sum(line.startswith("kept from") for line in bench.heard.lines) == len(first)
    bench.run("bm25,topics", again=True)
    assert len(bench.looks()) == 2 * len(looks)
    assert sum(len(encoder.queries) for encoder in bench.encoders) == encoded  # query vectors are kept too


def test_what_changes_the_conditions_is_evaluated_again(bench: Bench) -> None:
    bench.run("topics")
    qrels = bench.settings.data[0] / "one" / "qrels" / "test.tsv"
    qrels.write_text("q1\tlung\t1\nq2\tsugar\t1\n", encoding="utf-8")
    changed, unchanged = bench.run("topics")
    assert changed.means["nDCG@10"] < 1.0
    assert unchanged.means["nDCG@10"] == 1.0
    assert [task for task, _, _ in bench.looks()] == ["one:test", "more/two:test", "one:test"]


def test_an_interrupted_suite_goes_on_where_it_was(bench: Bench) -> None:
    bench.run("bm25")
    (bench.out / "more--two.test.bm25.json").unlink()
    bench.run("bm25")
    assert [task for task, _, _ in bench.looks()] == ["one:test", "more/two:test", "more/two:test"]


def test_a_damaged_result_is_named(bench: Bench) -> None:
    bench.run("bm25")
    (bench.out / "one.test.bm25.json").write_text('{"per_query": {"bm25": {"q1": 3}}}', encoding="utf-8")
    with pytest.raises(MedsearchError, match=r"one\.test\.bm25\.json: not a result of this medsearch"):
        bench.run("bm25")


def test_all_missing_corpora_are_named_before_any_work(bench: Bench) -> None:
    absent = Suite("s", SuiteRole.REPORT, "", (*SUITE.tasks, SuiteTask("no1", "test"), SuiteTask("no2", "x")))
    with pytest.raises(UsageError, match=r"suite s: 2 of its 4 corpora are not in .*: no1, no2; name their"):
        bench.run("bm25", suite=absent)
    assert not bench.out.exists()


def test_without_its_query_prompt_a_model_is_marked_and_searches_the_same_vectors(bench: Bench) -> None:
    with_prompt, *_ = bench.run("tuned")
    documents = sum(len(encoder.documents) for encoder in bench.encoders)
    without, *_ = bench.run("tuned@no-prompt")
    assert sum(len(encoder.documents) for encoder in bench.encoders) == documents
    assert without.marks == ("no query prompt", "no provenance")
    assert without.settings["models"]["tuned"]["query_prompt"] == ""
    assert without.settings["declared_query_prompts"] == {"tuned": "ask: "}
    assert with_prompt.settings["models"]["tuned"]["query_prompt"] == "ask: "
    with pytest.raises(UsageError, match="topics declares no query prompt, so there is none to leave out"):
        bench.run("topics@no-prompt")


def test_without_a_folder_nothing_is_kept(bench: Bench) -> None:
    results = bench.run("bm25", out=None)
    assert not bench.out.exists()
    assert len(results) == 2


@pytest.mark.parametrize("fault", [MedsearchError("no room"), OSError(12, "Cannot allocate memory")])
def test_a_result_stands_without_its_cost_where_that_cannot_be_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("medsearch.workbench.suite_results.measure_cost", fail)
    assert [result.cost for result in bench.run("bm25", cost=True)] == [{}, {}]
    assert f"warning: no cost of bm25 on one:test: {fault}" in bench.heard.lines
    looks = bench.looks()
    monkeypatch.setattr("medsearch.workbench.suite_results.measure_cost", lambda *_: {"query_ms_p50": 1.0})
    assert [result.cost for result in bench.run("bm25", cost=True)] == [{"query_ms_p50": 1.0}] * 2
    assert bench.looks() == looks


def test_a_stop_while_the_cost_is_measured_loses_no_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medsearch.workbench.suite_results.measure_cost", stop)
    with pytest.raises(KeyboardInterrupt):
        bench.run("bm25", cost=True)
    assert [result.task for result in read_results(bench.out)] == ["one:test"]
    assert [task for task, _, _ in bench.looks()] == ["one:test"]


def test_two_corpora_of_one_name_are_refused_naming_both(bench: Bench, tmp_path: Path) -> None:
    for place in ("here", "there"):
        shutil.copytree(bench.settings.data[0] / "one", tmp_path / place / "same")
    tasks = tuple(SuiteTask(str(tmp_path / place / "same"), "test") for place in ("here", "there"))
    with pytest.raises(
        UsageError, match=r"here/same and .*there/same are both called same, so their results"
    ):
        bench.run("bm25", suite=Suite("s", SuiteRole.REPORT, "", tasks))
    assert not bench.out.exists()


def test_corpora_whose_files_have_one_name_keep_a_result_each(bench: Bench) -> None:
    shutil.copytree(bench.settings.data[0] / "more/two", bench.settings.data[0] / "more--two")
    suite = replace(SUITE, tasks=(SuiteTask("more/two", "test"), SuiteTask("more--two", "test")))
    first = bench.run("bm25", suite=suite)
    assert {result.task for result in read_results(bench.out)} == {"more/two:test", "more--two:test"}
    looks = bench.looks()
    assert bench.run("bm25", suite=suite) == first
    assert bench.looks() == looks


def test_a_place_that_cannot_be_written_is_found_before_any_work(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/out: results cannot be kept there: Not a directory"):
        bench.run("topics", out=tmp_path / "file" / "out")
    assert bench.encoders == []
    assert bench.looks() == []


def test_other_software_is_evaluated_again_and_an_old_result_that_names_none_is_not(bench: Bench) -> None:
    bench.run("topics")
    looks = bench.looks()
    file = bench.out / "one.test.topics.json"
    record = json.loads(file.read_text("utf-8"))
    assert set(record["settings"]["software"]) == {"cutting", "onnxruntime", "tokenizers"}
    del record["settings"]["software"]
    file.write_text(json.dumps(record), encoding="utf-8")
    bench.run("topics")
    assert bench.looks() == looks
    record["settings"]["software"] = {"cutting": 1, "onnxruntime": "0.1", "tokenizers": "0.1"}
    file.write_text(json.dumps(record), encoding="utf-8")
    bench.run("topics")
    assert [task for task, _, _ in bench.looks()][len(looks) :] == ["one:test"]
