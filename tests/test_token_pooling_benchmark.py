"""The benchmark of token pooling: one encoding, an index a factor, and no look at what suites report on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder, topic_spec
from late_fakes import WordEncoder, word_spec

from benchmarks import token_pooling
from benchmarks.token_pooling import FACTORS, show, study
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.search.names import RetrieverName, parse_retriever
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.suites import SuiteTask

WORDS = (
    "heart",
    "cough",
    "sugar",
    "rash",
    "chest",
    "asthma",
    "insulin",
    "itch",
    "ward",
    "note",
    "day",
    "pain",
)
TASK = SuiteTask("tiny", "dev")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    corpus = tmp_path / "data" / "tiny"
    (corpus / "qrels").mkdir(parents=True)
    documents = {f"d{n}": " ".join(WORDS[n % 12 :] + WORDS[: (5 * n) % 12]) for n in range(30)}
    for name, texts in (("corpus", documents), ("queries", {"q1": "heart pain", "q2": "itch ward"})):
        rows = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (corpus / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    qrels = "query-id\tcorpus-id\tscore\nq1\td11\t1\nq2\td7\t1\n"
    (corpus / "qrels" / "dev.tsv").write_text(qrels, encoding="utf-8")
    registry = {**load_registry(), "words": word_spec()}
    monkeypatch.setattr(token_pooling, "load_registry", lambda *_, **__: registry)
    return Settings((tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None)


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[WordEncoder]:
    made: list[WordEncoder] = []

    def load(spec: ModelSpec, *, cache: Path) -> WordEncoder:
        made.append(WordEncoder(spec))
        return made[-1]

    for module in ("benchmarks.token_pooling", "medsearch.search.indexing", "medsearch.search.searcher"):
        monkeypatch.setattr(f"{module}.load_token_encoder", load)
    return made


def named(name: str) -> RetrieverName:
    return parse_retriever(name, {**load_registry(), "words": word_spec()})


@pytest.mark.parametrize("retriever", ["words", "rerank:words:bm25"])
def test_a_larger_factor_keeps_fewer_vectors_and_documents_are_encoded_once(
    here: Settings, encoders: list[WordEncoder], retriever: str, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = study(TASK, named(retriever), here, Heard())
    rows = measured["factors"]
    assert [row["factor"] for row in rows] == list(FACTORS)
    counts = [row["vectors_a_document"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert counts[3] == pytest.approx(1 + (counts[0] - 1) / 4, abs=0.8), (
        "the first vector and a quarter of the rest"
    )
    sizes = [row["index_bytes_a_document"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert all(0 < row["score"] <= 1 for row in rows)
    assert sum(len(encoder.documents) for encoder in encoders) == 30
    assert (measured["documents"], measured["queries"], measured["retriever"]) == (30, 2, retriever)
    assert not [file for file in here.cache.iterdir() if file.name.startswith("tmp")], "nothing is left"
    show(measured)
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "4"


def test_what_a_suite_reports_on_is_refused(
    here: Settings, encoders: list[WordEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_pooling, "reported_as", lambda *_: "tiny:dev")
    with pytest.raises(
        UsageError, match="tiny:dev is reported on by a suite: choose a factor on another split"
    ):
        study(TASK, named("words"), here, Heard())
    assert encoders == []


def test_a_document_with_its_querys_id_is_passed_over_where_queries_are_documents(
    here: Settings, encoders: list[WordEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = here.data[0] / "tiny" / "corpus.jsonl"
    twins = [{"_id": "q1", "text": "heart pain"}, {"_id": "q2", "text": "itch ward"}]
    with corpus.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in twins)
    scores = {}
    for ignore in (False, True):
        monkeypatch.setattr(
            "medsearch.search.benchmark.ignores_identical_ids", lambda *_, ignore=ignore: ignore
        )
        scores[ignore] = [row["score"] for row in study(TASK, named("words"), here, Heard())["factors"]]
    assert all(passed > kept for passed, kept in zip(scores[True], scores[False], strict=True))


def test_only_the_pooling_of_an_entry_is_dropped_and_nothing_is_encoded_again(
    here: Settings, encoders: list[WordEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    firsts: list[TopicEncoder] = []

    def load(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        firsts.append(TopicEncoder(spec))
        return firsts[-1]

    for module in ("indexing", "searcher"):
        monkeypatch.setattr(f"medsearch.search.{module}.load_encoder", load)
    spec = word_spec(parameters={"token_pooling": 3.0, "format": "own"})
    registry = {**load_registry(), "words": spec, "topics": topic_spec()}
    monkeypatch.setattr(token_pooling, "load_registry", lambda *_, **__: registry)
    measured = study(TASK, parse_retriever("rerank:words:topics", registry), here, Heard())
    assert measured["model"]["parameters"] == {"format": "own"}
    assert [encoder.spec.parameters for encoder in encoders if encoder.documents] == [{"format": "own"}]
    assert sum(len(encoder.queries) for encoder in firsts) == 2, "each query once, at all factors"
