"""A suite run counts looks at test sets, and refuses or marks what a model was chosen on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import Heard
from suite_material import SUITE, Bench, evaluated_keys, provenance, suite_bench

from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.provenance import SelectionTask
from medsearch.evaluation.results import read_results
from medsearch.search.benchmark import BenchmarkRequest, open_bench
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.hub.other import OtherRequest, OtherScore
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return suite_bench(tmp_path, monkeypatch)


def test_a_task_the_model_was_chosen_on_is_refused_unless_forced_and_then_marked(bench: Bench) -> None:
    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    provenance(folder, SelectionTask(corpus="one", split="test"))
    with pytest.raises(
        MedsearchError, match=r"one:test is no test of tuned: it was chosen on one:test .*--force"
    ):
        bench.run("hybrid:tuned")
    assert bench.looks() == []
    forced, free = bench.run("hybrid:tuned", force=True)
    assert forced.marks == ("forced: took part in choosing this model",)
    assert free.marks == ()
    assert bench.looks()[0] == ("one:test", "hybrid:tuned", "topics")
    choosing = replace(SUITE, role=SuiteRole.CHOOSE)
    assert bench.run("tuned", suite=choosing)[0].marks == ("used to choose this model",)


def test_a_copied_test_set_is_known_by_its_judgements(bench: Bench) -> None:
    from medsearch.search.conditions import qrels_hash

    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    same = qrels_hash({"q2": {"sugar": 1}, "q1": {"heart": 1}})
    provenance(folder, SelectionTask(corpus="elsewhere", split="dev", qrels_hash=same))
    with pytest.raises(MedsearchError, match="elsewhere:dev, which has the same judgements"):
        bench.run("tuned")


def test_a_model_of_ones_own_without_provenance_is_marked(bench: Bench) -> None:
    assert {r.marks for r in bench.run("tuned")} == {("no provenance",)}


def test_a_changed_provenance_changes_the_marks_and_is_no_look(bench: Bench) -> None:
    first, _ = bench.run("tuned")
    looks = bench.looks()
    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    key = evaluated_keys(first)[0]
    provenance(folder, SelectionTask(corpus="x", split="dev", query_keys=(key,)))
    marks = ("1 of 2 questions also in what it was chosen on",)
    assert [result.marks for result in bench.run("tuned")] == [marks, marks]
    assert {result.marks for result in read_results(bench.out)} == {marks}
    assert bench.looks() == looks


def test_a_task_that_asks_what_the_model_was_chosen_on_is_refused(bench: Bench) -> None:
    from medsearch.workbench.selection import selection_tasks

    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    corpus = bench.settings.data[0] / "asked"
    (corpus / "qrels").mkdir(parents=True)
    (corpus / "corpus.jsonl").write_text('{"_id": "d", "text": "other"}\n', encoding="utf-8")
    asked = ("CHEST  pain", "high glucose and insulin", "unheard of")
    rows = [json.dumps({"_id": f"x{n}", "text": text}) + "\n" for n, text in enumerate(asked)]
    (corpus / "queries.jsonl").write_text("".join(rows), encoding="utf-8")
    (corpus / "qrels" / "dev.tsv").write_text("x0\td\t1\nx1\td\t1\nx2\td\t0\n", encoding="utf-8")
    suite = Suite("choose", SuiteRole.CHOOSE, "", (SuiteTask("asked", "dev"),))
    [known] = selection_tasks(suite, bench.settings)
    assert (known.name, len(known.qrels_hash), len(known.query_keys)) == ("asked:dev", 64, 2)
    provenance(folder, known)
    with pytest.raises(
        MedsearchError, match=r"one:test is no test of tuned: 2 of its 2 questions are also in"
    ):
        bench.run("tuned")
    assert {r.marks for r in bench.run("tuned", force=True)} == {
        ("forced: took part in choosing this model",)
    }


def test_a_result_keeps_what_its_model_was_chosen_on_and_other_weights_are_refused(bench: Bench) -> None:
    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    provenance(folder, weights_sha256="a" * 64)
    result, _ = bench.run("hybrid:tuned")
    assert result.provenance == {
        "model": "tuned", "base": "topics", "family": "topics", "candidates": 7, "suite": "medical-dev",
        "weights_sha256": "a" * 64,
    }  # fmt: skip
    bench.registry["tuned"] = replace(bench.registry["tuned"], sha256="b" * 64)
    with pytest.raises(MedsearchError, match=r"provenance\.json: it is of other weights"):
        bench.run("tuned")


def test_the_family_of_looks_is_that_of_the_provenance_where_the_entry_names_none(bench: Bench) -> None:
    bench.registry["tuned"] = replace(bench.registry["tuned"], family="")
    provenance(Path(bench.registry["tuned"].source.removeprefix("path:")))
    bench.run("tuned")
    assert {family for _, _, family in bench.looks()} == {"topics"}


def reporting(monkeypatch: pytest.MonkeyPatch, *tasks: SuiteTask) -> None:
    """Have a bundled suite report on these."""
    monkeypatch.setattr("medsearch.workbench.looks.tasks_reported_on", lambda: tasks)


def test_a_reported_task_is_looked_at_under_any_name_and_in_any_suite(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Suite("more/two:test", SuiteRole.REPORT, "", (SuiteTask("more/two", "test"),))
    choosing = replace(plain, name="mine", role=SuiteRole.CHOOSE)
    for suite in (plain, choosing):
        bench.run("bm25", suite=suite, again=True)
    assert bench.looks() == [], "no suite reports on it"
    # more/two is a copy of it: its judgements are the same.
    reporting(monkeypatch, SuiteTask("mteb:Elsewhere", "test"), SuiteTask("one", "test"))
    for suite in (plain, choosing):
        bench.run("bm25", suite=suite, again=True)
    assert bench.looks() == [("one:test", "bm25", "bm25")] * 2
    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    provenance(folder, SelectionTask(corpus="more/two", split="test"))
    with pytest.raises(MedsearchError, match="more/two:test is no test of tuned"):
        bench.run("tuned", suite=choosing)


def test_a_hub_task_is_known_under_both_its_names(bench: Bench) -> None:
    from medsearch.workbench.looks import reported_as

    assert reported_as(SuiteTask("mteb:NFCorpus/default", "test"), "", bench.settings) == "mteb:NFCorpus:test"
    assert reported_as(SuiteTask("mteb:NFCorpus", "dev"), "", bench.settings) is None


def test_a_scored_run_of_a_reported_task_is_a_look_of_its_own_family(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from medsearch.search.run_file import RunFileRequest, score_run_file
    from medsearch.workbench.looks import note_run_look

    (tmp_path / "theirs.run").write_text("q1 Q0 heart 1 2.0 t\n", encoding="utf-8")
    location = find_corpus("more/two", bench.settings.data)
    request = RunFileRequest(location, "test", tmp_path / "theirs.run")
    scored = score_run_file(request, bench.settings, bench.heard)
    note_run_look(*scored, bench.settings)
    assert bench.looks() == []
    reporting(monkeypatch, SuiteTask("one", "test"))
    note_run_look(*scored, bench.settings)
    assert bench.looks() == [("one:test", "theirs", "theirs")]


HUB = Suite("hub", SuiteRole.REPORT, "", (SuiteTask("mteb:One/default", "test"),))


def on_the_hub(monkeypatch: pytest.MonkeyPatch, *, retrieval: bool) -> None:
    """`mteb:One` is a task of the hub, with the documents and judgements of `one`."""
    facts = SimpleNamespace(metadata=SimpleNamespace(type="Clustering"))
    hub = SimpleNamespace(retrieval=retrieval, corpus="mteb:One", task=facts)

    def opened(_: object, settings: Settings, registry: Mapping[str, ModelSpec], progress: Heard) -> object:
        request = BenchmarkRequest(find_corpus("one", settings.data), "test", ())
        one = open_bench(request, settings, registry, progress)
        return replace(one, collection=replace(one.collection, name="mteb:One"))

    monkeypatch.setattr("medsearch.workbench.suite_run.has_mteb", lambda: True)
    monkeypatch.setattr("medsearch.workbench.suite_run.load_hub_task", lambda *_: hub)
    monkeypatch.setattr("medsearch.workbench.suite_run.open_hub_bench", opened)


def test_a_hub_task_is_checked_again_when_its_judgements_are_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_hub(monkeypatch, retrieval=True)
    [fair] = bench.run("topics", suite=HUB)
    assert fair.task == "mteb:One:test"
    folder = Path(bench.registry["tuned"].source.removeprefix("path:"))
    hashed = fair.settings["qrels_hash"]
    for known in (
        SelectionTask(corpus="x", split="dev", qrels_hash=hashed),
        SelectionTask(corpus="x", split="dev", query_keys=tuple(evaluated_keys(fair))),
    ):
        provenance(folder, known)
        with pytest.raises(MedsearchError, match="mteb:One:test is no test of tuned"):
            bench.run("tuned", suite=HUB)
    assert {retriever for _, retriever, _ in bench.looks()} == {"topics"}


def test_a_suite_of_clustering_alone_has_no_results_and_its_looks_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(hub: Any, name: Any, _: object, __: object, asked: OtherRequest) -> OtherScore:
        if asked.again:
            asked.before()
        return OtherScore(hub.corpus, "test", name.name, "v_measure", 0.5, Path("file"), not asked.again)

    on_the_hub(monkeypatch, retrieval=False)
    monkeypatch.setattr("medsearch.workbench.suite_run.score_other_task", scored)
    assert bench.run("bm25,tuned", suite=HUB) == []
    assert bench.heard.lines == [
        "mteb:One is Clustering: bm25 has no part in it",
        "mteb:One with tuned: v_measure 50.0 (kept), in file; no provenance",
    ]
    assert bench.looks() == []
    assert bench.run("tuned", suite=HUB, again=True) == []
    assert bench.looks() == [("mteb:One:test", "tuned", "topics")]


def test_a_suite_of_the_hub_needs_mteb_and_takes_no_options_of_ours(bench: Bench) -> None:
    hub = Suite("hub", SuiteRole.REPORT, "", (SuiteTask("mteb:NFCorpus", "test"),))
    with pytest.raises(MedsearchError, match=r"mteb:NFCorpus:test: mteb is not installed: run `pip install"):
        bench.run("bm25", suite=hub)
    with pytest.raises(UsageError, match=r"mteb:NFCorpus:test is run by mteb, .* leave out --passages"):
        bench.run("bm25", suite=hub, approximate=True)
