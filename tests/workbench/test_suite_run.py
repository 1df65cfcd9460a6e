"""A suite run: every result kept at once, none made twice, looks counted, leaks of selection refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder, topic_spec

from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.looks import read_looks
from medsearch.evaluation.provenance import Provenance, Selection, SelectionTask, write_provenance
from medsearch.evaluation.results import TaskResult, read_results
from medsearch.evaluation.trec import read_run
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.suite_run import SuiteRequest, open_suite
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask

DOCUMENTS = {
    "heart": "Angina is chest pain from the heart.",
    "lung": "Asthma gives a cough and short breath.",
    "sugar": "Diabetes: glucose is high. Insulin lowers glucose.",
}
QUERIES = {"q1": "chest pain", "q2": "high glucose and insulin"}
SUITE = Suite("tiny-suite", SuiteRole.REPORT, "", (SuiteTask("one", "test"), SuiteTask("more/two", "test")))


@dataclass
class Bench:
    """Two corpora on disk, the stand-in encoder in place of dense models, and a ledger of looks."""

    settings: Settings
    registry: dict[str, ModelSpec]
    out: Path
    encoders: list[TopicEncoder] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)

    def run(self, models: str, **changes: object) -> list[TaskResult]:
        names = tuple(parse_retriever(name, self.registry) for name in models.split(","))
        asked = replace(SuiteRequest(SUITE, names, self.out, cost=False), **changes)  # type: ignore[arg-type]  # a test's own table of fields
        return open_suite(asked, self.settings, self.registry).results(self.heard)

    def looks(self) -> list[tuple[str, str, str]]:
        assert self.settings.looks is not None
        ledger = read_looks(self.settings.looks)
        return [(look.task, look.retriever, look.family) for look in ledger.looks]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("one", "more/two"):
        corpus = tmp_path / "data" / name
        (corpus / "qrels").mkdir(parents=True)
        for part, texts in (("corpus", DOCUMENTS), ("queries", QUERIES)):
            rows = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
            (corpus / f"{part}.jsonl").write_text("".join(rows), encoding="utf-8")
        (corpus / "qrels" / "test.tsv").write_text("q1\theart\t1\nq2\tsugar\t1\n", encoding="utf-8")
    settings = Settings(
        (tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None, tmp_path / "looks.jsonl"
    )
    trained = topic_spec("tuned", source=f"path:{tmp_path / 'tuned'}", family="topics", query_prompt="ask: ")
    registry = {**load_registry(), "topics": topic_spec(), "tuned": trained}
    made = Bench(settings, registry, tmp_path / "out")

    def load(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        made.encoders.append(TopicEncoder(spec))
        return made.encoders[-1]

    monkeypatch.setattr("medsearch.workbench.suite_run.has_mteb", lambda: False)
    monkeypatch.setattr("medsearch.search.searcher.load_encoder", load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", load)
    return made


def provenance(folder: Path, *tasks: SelectionTask) -> None:
    folder.mkdir(exist_ok=True)
    selection = Selection(
        suite="medical-dev", tasks=tasks, candidates=7, measure="nDCG@10", rule="highest mean over tasks"
    )
    write_provenance(
        Provenance(
            model="tuned", base="topics", family="topics", recipe="tiny", data=(), selection=selection,
            git_revision="", created="2026-01-01T00:00:00Z",  # type: ignore[arg-type]  # pydantic reads a time
        ),
        folder,
    )  # fmt: skip


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


def test_a_suite_of_the_hub_needs_mteb_and_takes_no_options_of_ours(bench: Bench) -> None:
    hub = Suite("hub", SuiteRole.REPORT, "", (SuiteTask("mteb:NFCorpus", "test"),))
    with pytest.raises(MedsearchError, match=r"mteb:NFCorpus:test: mteb is not installed: run `pip install"):
        bench.run("bm25", suite=hub)
    with pytest.raises(UsageError, match=r"mteb:NFCorpus:test is run by mteb, .* leave out --passages"):
        bench.run("bm25", suite=hub, approximate=True)
