"""Evaluating by name: one index a model, never the page's own, nothing encoded twice, and nothing unsaid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from benchmark_material import run_benchmark
from fakes import Heard, TopicEncoder, topic_spec

from medsearch.corpora.catalogue import CorpusLocation, find_corpus
from medsearch.corpora.sources import load_sources
from medsearch.encoders.registry import load_registry
from medsearch.errors import CorpusError, MedsearchError
from medsearch.evaluation.evaluate import DEPTH
from medsearch.index.manifest import read_manifest
from medsearch.index.reader import IndexReader, open_index
from medsearch.search.benchmark import BenchmarkRequest
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import parse_retriever
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever, HybridRetriever
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, PassageSettings, Query

DOCUMENTS = {
    "heart": "Angina is chest pain from the heart. Cardiac rehabilitation follows. Aspirin 75 mg.",
    "lung": "Asthma gives a cough and short breath. A spacer helps children breathe.",
    "sugar": "Diabetes: glucose is high. Insulin lowers glucose. Chest infections raise glucose.",
    "skin": "Eczema is an itchy rash.",
    "q-own": "Cough, breath.",
}
QUERIES = {"q1": "chest pain", "q2": "high glucose and insulin", "q-own": "cough breath", "q0": "aspirin"}
QRELS = [("q1", "heart", 2), ("q1", "sugar", 1), ("q2", "sugar", 1), ("q-own", "lung", 1), ("q0", "skin", 0)]


@dataclass
class Bench:
    """A corpus on disk with the stand-in encoder in place of every dense model."""

    settings: Settings
    registry: dict[str, ModelSpec]
    corpus: Path
    encoders: list[TopicEncoder] = field(default_factory=list)

    @property
    def location(self) -> CorpusLocation:
        return find_corpus(self.corpus.name, self.settings.data)

    def request(self, models: str, **changes: object) -> BenchmarkRequest:
        names = tuple(parse_retriever(name, self.registry) for name in models.split(","))
        return replace(BenchmarkRequest(self.location, "test", names), **changes)  # type: ignore[arg-type]  # a test's own table of fields

    def encoded(self) -> list[str]:
        return [text for encoder in self.encoders for text in encoder.documents]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    corpus = tmp_path / "data" / "tiny"
    (corpus / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        rows = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (corpus / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_qrels(corpus, *QRELS)
    settings = Settings((tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None)
    made = Bench(settings, {**load_registry(), "topics": topic_spec()}, corpus)

    def load(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        made.encoders.append(TopicEncoder(spec))
        return made.encoders[-1]

    monkeypatch.setattr("medsearch.search.searcher.load_encoder", load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", load)
    return made


def write_qrels(corpus: Path, *rows: tuple[str, str, int]) -> None:
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]
    (corpus / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tree(folder: Path) -> Mapping[str, int]:
    """Every file with the time it was written, locks aside."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock")
    return {str(file): file.stat().st_mtime_ns for file in files}


def test_a_hybrid_over_two_indices_is_the_hybrid_over_one(bench: Bench, tmp_path: Path) -> None:
    _, [scored] = run_benchmark(bench.request("hybrid:topics"), bench.settings, bench.registry, Heard())
    specs = (bench.registry["topics"], bench.registry["bm25"])
    one = IndexRequest(bench.location, specs, WHOLE_DOCUMENTS)
    index_corpus(one, tmp_path / "one", bench.settings, bench.registry, Heard())
    reader = open_index(tmp_path / "one")
    hybrid = HybridRetriever(
        (DenseRetriever(reader, TopicEncoder(), exact=True), Bm25Retriever(reader, specs[1]))
    )
    queries = [Query(query_id, QUERIES[query_id]) for query_id in ("q1", "q2", "q-own")]
    expected = hybrid.retrieve(queries, k=DEPTH)
    assert {q: dict(found) for q, found in scored.run.items()} == expected
    assert next(iter(scored.run["q1"])) == "heart"


def test_a_second_evaluation_encodes_no_document_again(bench: Bench) -> None:
    first, _ = run_benchmark(bench.request("topics,bm25"), bench.settings, bench.registry, Heard())
    assert sorted(bench.encoded()) == sorted(DOCUMENTS.values())
    heard = Heard()
    second, _ = run_benchmark(bench.request("bm25,hybrid:topics"), bench.settings, bench.registry, heard)
    assert len(bench.encoded()) == len(DOCUMENTS)
    assert heard.stages == {"Searching with bm25": 3, "Searching with hybrid:topics": 3}
    assert first["models"]["bm25"] == second["models"]["bm25"]


def test_a_changed_model_never_meets_the_old_vectors(bench: Bench) -> None:
    before, _ = run_benchmark(bench.request("topics"), bench.settings, bench.registry, Heard())
    bench.registry["topics"] = topic_spec(document_prompt="passage: ")
    after, _ = run_benchmark(bench.request("topics"), bench.settings, bench.registry, Heard())
    assert len(bench.encoded()) == 2 * len(DOCUMENTS)
    prompts = [r["settings"]["models"]["topics"]["document_prompt"] for r in (before, after)]
    assert prompts == ["", "passage: "]
    assert len(list((bench.settings.cache / "evaluation").iterdir())) == 2


def test_a_changed_corpus_is_indexed_afresh(bench: Bench) -> None:
    run_benchmark(bench.request("topics"), bench.settings, bench.registry, Heard())
    with (bench.corpus / "corpus.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"_id": "new", "text": "Chest pain, chest pain."}) + "\n")
    _, [scored] = run_benchmark(bench.request("topics"), bench.settings, bench.registry, Heard())
    assert "new" in scored.run["q1"]


@pytest.mark.parametrize("damage", ["manifest", "shard"])
def test_an_index_in_the_cache_that_cannot_be_read_is_made_again(bench: Bench, damage: str) -> None:
    before, _ = run_benchmark(bench.request("bm25"), bench.settings, bench.registry, Heard())
    [manifest] = (bench.settings.cache / "evaluation").glob("*/manifest.json")
    if damage == "manifest":
        manifest.write_text('{"made": "by an older medsearch"}', encoding="utf-8")
    else:
        shutil.rmtree(manifest.parent / read_manifest(manifest.parent).shard)
    after, _ = run_benchmark(bench.request("bm25"), bench.settings, bench.registry, Heard())
    assert after["models"] == before["models"]


@pytest.mark.parametrize("approximate", [False, True])
def test_exact_unless_the_graph_is_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, approximate: bool
) -> None:
    exacts: list[bool] = []
    search = IndexReader.search_dense

    def spy(self: IndexReader, *arguments: object, exact: bool = False, **options: object) -> object:
        exacts.append(exact)
        return search(self, *arguments, exact=exact, **options)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(IndexReader, "search_dense", spy)
    request = bench.request("topics", approximate=approximate)
    record, _ = run_benchmark(request, bench.settings, bench.registry, Heard())
    assert record["settings"]["search"] == ("approximate" if approximate else "exact")
    assert set(exacts) == {not approximate}


def test_passages_of_any_settings_leave_the_pages_own_index_alone(bench: Bench) -> None:
    page = bench.settings.index / "tiny"
    both = (bench.registry["topics"], bench.registry["bm25"])
    request = IndexRequest(bench.location, both, PassageSettings(16, 0))
    index_corpus(request, page, bench.settings, bench.registry, Heard())
    before = tree(bench.settings.index)
    for passages in (PassageSettings(16, 0), PassageSettings(12, 4), PassageSettings()):
        asked = bench.request("hybrid:topics", passages=passages)
        record, [scored] = run_benchmark(asked, bench.settings, bench.registry, Heard())
        assert record["settings"]["passages"]["max_tokens"] == passages.max_tokens
        assert scored.scores["q1"]["MRR@10"] == 1.0
    assert tree(bench.settings.index) == before
    assert len(list((bench.settings.cache / "evaluation").iterdir())) == 6


def test_what_is_judged_but_not_in_the_corpus_is_said_and_kept(bench: Bench) -> None:
    write_qrels(bench.corpus, *QRELS, ("q1", "gone", 1), ("qx", "heart", 1))
    heard = Heard()
    record, _ = run_benchmark(bench.request("bm25"), bench.settings, bench.registry, heard)
    told = [
        "1 query id is judged but not in the corpus (qx)",
        "1 document id is judged but not in the corpus",
    ]
    assert len(record["warnings"]) == 2
    for words, kept in zip(told, record["warnings"], strict=True):
        assert words in kept
        assert f"warning: {kept}" in heard.lines
    assert (record["queries"], record["queries_judged"]) == (4, 5)
    assert record["settings"]["rejects"] == 0


def test_nothing_odd_is_nothing_said(bench: Bench) -> None:
    record, _ = run_benchmark(bench.request("bm25"), bench.settings, bench.registry, heard := Heard())
    assert record["warnings"] == []
    assert (record["queries"], record["queries_judged"]) == (3, 4)
    assert not [line for line in heard.lines if "warning" in line]


def test_identical_ids_are_passed_over_when_asked_and_kept_in_the_settings(bench: Bench) -> None:
    scores = {}
    for ignore in (False, True):
        request = bench.request("topics", ignore_identical_ids=ignore)
        record, [scored] = run_benchmark(request, bench.settings, bench.registry, Heard())
        assert record["settings"]["ignore_identical_ids"] is ignore
        assert ("q-own" in scored.run["q-own"]) is not ignore
        scores[ignore] = scored.scores["q-own"]["MRR@10"]
    assert scores == {False: 0.5, True: 1.0}


@pytest.mark.parametrize(
    ("place", "passed_over"), [("arguana", True), ("raw/arguana", True), ("my_arguana", False)]
)
def test_arguana_passes_over_identical_ids_by_itself(
    bench: Bench, root: Path, place: str, passed_over: bool
) -> None:
    (bench.corpus.parent / place).parent.mkdir(exist_ok=True)
    bench.corpus.rename(bench.corpus.parent / place)
    (bench.corpus.parent / "sources.toml").write_text((root / "data" / "sources.toml").read_text("utf-8"))
    location = find_corpus(place, bench.settings.data)
    request = BenchmarkRequest(location, "test", (parse_retriever("bm25", bench.registry),))
    record, _ = run_benchmark(request, bench.settings, bench.registry, heard := Heard())
    assert record["settings"]["ignore_identical_ids"] is passed_over
    assert any("mteb's class ArguAna has ignore_identical_ids" in line for line in heard.lines) is passed_over


def test_only_arguana_of_the_public_corpora_has_queries_that_are_documents(
    root: Path, tmp_path: Path
) -> None:
    text = (root / "data" / "sources.toml").read_text("utf-8")
    sources = load_sources(root / "data" / "sources.toml")
    assert [name for name, source in sources.items() if source.ignore_identical_ids] == ["arguana"]
    (tmp_path / "sources.toml").write_text(
        text.replace("ignore_identical_ids = true", 'ignore_identical_ids = "yes"')
    )
    with pytest.raises(CorpusError, match=r"\[arguana\]: 'ignore_identical_ids' must be true or false"):
        load_sources(tmp_path / "sources.toml")


def test_ids_that_trec_files_cannot_carry_stop_the_work_before_it_starts(bench: Bench) -> None:
    with (bench.corpus / "corpus.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"_id": "two words", "text": "Chest."}) + "\n")
    with pytest.raises(MedsearchError, match=r"the id 'two words' .* TREC files cannot carry it"):
        run_benchmark(bench.request("topics", trec_files=True), bench.settings, bench.registry, Heard())
    assert bench.encoders == []
    run_benchmark(bench.request("topics"), bench.settings, bench.registry, Heard())
