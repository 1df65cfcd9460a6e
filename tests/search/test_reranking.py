"""Late-interaction retrievers by name: alone, over what another found, and what their results say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from benchmark_material import run_benchmark
from fakes import Heard, TopicEncoder, topic_spec
from late_fakes import WordEncoder, maxsim, word_spec

from medsearch.cli.main import main
from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import IndexRefusedError, UsageError
from medsearch.search.benchmark import BenchmarkRequest
from medsearch.search.conditions import same_conditions
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import parse_retriever
from medsearch.search.reranking import RERANK_DEPTH, RerankRetriever, TokenRetriever
from medsearch.search.retrievers import DenseRetriever
from medsearch.search.searcher import Searcher, index_folder, open_searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, PassageSettings, Query

WORDS = ("chest", "heart", "lung", "insulin")
DOCUMENTS = {
    "heart": "Angina is chest pain from the heart. Cardiac rehabilitation follows.",
    "lung": "Asthma gives a cough and short breath. A spacer helps.",
    "sugar": "Diabetes means high glucose. Insulin lowers glucose.",
    "skin": "Eczema is an itchy rash.",
    **{
        f"note-{number:03}": f"Ward note {number} on cough and {WORDS[number % 4]}."
        for number in range(RERANK_DEPTH + 20)
    },
}
QUERIES = {"q1": "chest pain of the heart", "q2": "glucose insulin", "q3": "cough chest ward"}
QRELS = [("q1", "heart", 2), ("q2", "sugar", 1), ("q3", "lung", 1)]
RERANKED = "rerank:words:bm25"


class Here:
    """A corpus on disk, with stand-ins for every model that encodes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_corpus(folder / "data" / "tiny")
        self.settings = Settings((folder / "data",), folder / "index", folder / "cache", None)
        self.registry: dict[str, ModelSpec] = {
            **load_registry(), "topics": topic_spec(), "words": word_spec(query_prompt="ask heart")
        }  # fmt: skip
        self.late: list[WordEncoder] = []
        for module in ("searcher", "indexing"):
            monkeypatch.setattr(
                f"medsearch.search.{module}.load_encoder", lambda spec, cache: TopicEncoder(spec)
            )
            monkeypatch.setattr(f"medsearch.search.{module}.load_token_encoder", self._load_late)

    def _load_late(self, spec: ModelSpec, *, cache: Path) -> WordEncoder:
        self.late.append(WordEncoder(spec))
        return self.late[-1]

    def run(
        self, names: str, **changes: Any
    ) -> tuple[dict[str, Any], dict[str, Mapping[str, Mapping[str, float]]]]:
        asked = tuple(parse_retriever(name, self.registry) for name in names.split(","))
        location = find_corpus("tiny", self.settings.data)
        request = BenchmarkRequest(location, "test", asked, **changes)
        record, scored = run_benchmark(request, self.settings, self.registry, Heard())
        return record, {evaluation.retriever: evaluation.run for evaluation in scored}

    def index(self, models: str, passages: PassageSettings = WHOLE_DOCUMENTS) -> Searcher:
        specs = [self.registry[name] for name in models.split(",")]
        request = IndexRequest(find_corpus("tiny", self.settings.data), specs, passages)
        index_corpus(request, index_folder("tiny", self.settings), self.settings, self.registry, Heard())
        return open_searcher("tiny", self.settings, self.registry)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


def write_corpus(corpus: Path, documents: Mapping[str, str] = DOCUMENTS) -> None:
    (corpus / "qrels").mkdir(parents=True, exist_ok=True)
    for name, texts in (("corpus", documents), ("queries", QUERIES)):
        rows = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (corpus / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in QRELS)]
    (corpus / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def by_hand(query: str) -> dict[str, float]:
    """MaxSim of every document."""
    [vectors] = WordEncoder().encode_queries([query])
    found = WordEncoder().encode_documents(list(DOCUMENTS.values()))
    return {doc_id: maxsim(vectors, rows) for doc_id, rows in zip(DOCUMENTS, found, strict=True)}


def test_alone_it_is_maxsim_over_the_whole_corpus(here: Here) -> None:
    _, runs = here.run("words")
    for query_id, text in QUERIES.items():
        assert runs["words"][query_id] == pytest.approx(by_hand(text), abs=5e-3)


@pytest.mark.parametrize("first", ["bm25", "topics", "hybrid:topics"])
def test_the_first_hundred_are_in_the_order_of_maxsim_and_the_rest_as_they_were(
    here: Here, first: str
) -> None:
    _, runs = here.run(f"{first},rerank:words:{first}")
    for query_id, text in QUERIES.items():
        before, after = (list(runs[name][query_id]) for name in (first, f"rerank:words:{first}"))
        assert set(after[:RERANK_DEPTH]) == set(before[:RERANK_DEPTH])
        assert after[RERANK_DEPTH:] == before[RERANK_DEPTH:]
        scores = runs[f"rerank:words:{first}"][query_id]
        wanted = by_hand(text)
        for doc_id in after[:RERANK_DEPTH]:
            assert scores[doc_id] == pytest.approx(wanted[doc_id], abs=5e-3)
        assert sorted(scores.values(), reverse=True) == list(scores.values())
        assert len(set(list(scores.values())[RERANK_DEPTH - 1 :])) == len(after[RERANK_DEPTH - 1 :])
    long = runs[first]["q3"]
    assert len(long) > RERANK_DEPTH, "else nothing is below the reranked"
    assert list(long) != list(runs[f"rerank:words:{first}"]["q3"]), "else nothing was reranked"


def test_recall_at_100_is_that_of_the_first(here: Here) -> None:
    record, _ = here.run(f"bm25,{RERANKED}")
    assert record["models"][RERANKED]["Recall@100"] == record["models"]["bm25"]["Recall@100"]


def test_a_second_evaluation_encodes_nothing_again(here: Here) -> None:
    _, before = here.run(RERANKED)
    encoded = [text for encoder in here.late for text in encoder.documents]
    assert sorted(encoded) == sorted(DOCUMENTS.values())
    here.late.clear()
    _, after = here.run(f"words,{RERANKED},rerank:words:topics")
    assert [text for encoder in here.late for text in [*encoder.documents, *encoder.queries]] == []
    assert after[RERANKED] == before[RERANKED]


def test_what_was_done_is_in_the_settings(here: Here) -> None:
    here.registry["words"] = word_spec(parameters={"token_pooling": 2.0})
    record, _ = here.run("bm25,hybrid:topics,words,rerank:words:hybrid:topics")
    of_each = record["settings"]["retrievers"]
    assert [name for name, own in of_each.items() if "rerank" in own] == ["rerank:words:hybrid:topics"]
    own = of_each["rerank:words:hybrid:topics"]
    assert own["rerank"] == {
        "method": "maxsim", "model": "words", "first": "hybrid:topics", "depth": 100, "token_pooling": 2.0
    }  # fmt: skip
    assert own["fusion"] == of_each["hybrid:topics"]["fusion"]
    assert list(own["models"]) == ["words", "topics", "bm25"]
    assert own["models"]["words"]["parameters"] == {"token_pooling": 2.0}


def test_without_its_prompt_it_is_the_query_alone(here: Here) -> None:
    record, _ = here.run("rerank:words:topics@no-prompt")
    own = record["settings"]["retrievers"]["rerank:words:topics@no-prompt"]
    assert own["models"]["words"]["query_prompt"] == ""
    assert own["declared_query_prompts"]["words"] == "ask heart"
    assert record["marks"] == {"rerank:words:topics@no-prompt": ["no query prompt"]}


def test_a_pages_index_is_searched_and_reranked(here: Here) -> None:
    searcher = here.index("topics,bm25,words", PassageSettings(12, 0))
    found = searcher.search("chest pain of the heart", retriever=RERANKED, k=3)
    assert found.hits[0].passage.text == "Angina is chest pain from the heart."
    hybrid = searcher.search("chest pain of the heart", retriever="rerank:words:hybrid:topics", k=3)
    for hits in (found.hits, hybrid.hits):
        assert len({hit.passage.doc_id for hit in hits}) == 3
    assert searcher.search("glucose insulin", retriever="words", k=1).hits[0].passage.doc_id == "sugar"
    assert searcher.retriever_names() == ["hybrid:topics", "topics", "bm25"]
    assert searcher.late_names() == ["rerank:words:hybrid:topics", "words"]
    assert searcher.every_name() == [*searcher.retriever_names(), *searcher.late_names()]


@pytest.mark.parametrize("name", ["words", "prompted"])
def test_with_and_without_its_prompt_a_model_has_two_encoders_in_one_searcher(here: Here, name: str) -> None:
    here.registry["prompted"] = topic_spec("prompted", query_prompt="insulin: ")
    searcher = here.index("prompted,bm25,words")
    ready = [
        searcher.retriever(parse_retriever(asked, here.registry))
        for asked in (name, f"{name}@no-prompt", name)
    ]
    assert all(isinstance(one, TokenRetriever | DenseRetriever) for one in ready)
    encoders = [one.encoder for one in ready if isinstance(one, TokenRetriever | DenseRetriever)]
    assert [encoder.spec.query_prompt for encoder in encoders] == [
        here.registry[name].query_prompt, "", here.registry[name].query_prompt
    ]  # fmt: skip
    assert encoders[0] is encoders[2], "loaded once each"


def test_the_command_line_searches_with_a_reranker(
    here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.index("topics,bm25,words")
    monkeypatch.setattr("medsearch.cli.search.load_registry", lambda *_, **__: here.registry)
    monkeypatch.setattr(Settings, "from_environment", lambda: here.settings)
    asked = ["search", "cough chest ward", "--corpus", "tiny", "-k", "3"]
    assert main([*asked, "--model", "rerank:words:hybrid:topics", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "rerank:words:hybrid:topics"
    wanted = by_hand("cough chest ward")
    for hit in found["hits"]:
        assert hit["score"] == pytest.approx(wanted[hit["doc_id"]], abs=5e-3)
    assert main([*asked, "--model", "rerank:words"]) == 2
    assert "name also what is reranked, such as rerank:words:bm25" in capsys.readouterr().err


def test_an_index_of_token_vectors_alone_can_be_searched(here: Here) -> None:
    searcher = here.index("words")
    assert searcher.retriever_names() == searcher.late_names() == searcher.every_name() == ["words"]


def test_the_same_hits_come_first_however_many_are_asked_for(here: Here) -> None:
    searcher = here.index("bm25,words")
    ready = searcher.retriever(parse_retriever(RERANKED, here.registry))
    queries = [Query("q3", QUERIES["q3"])]
    few, many = (list(ready.retrieve(queries, k=k)["q3"]) for k in (5, RERANK_DEPTH))
    assert few == many[:5]
    assert (len(few), len(many)) == (5, RERANK_DEPTH)


def test_indexes_of_other_passages_are_refused(here: Here) -> None:
    first = here.index("bm25").retriever(parse_retriever("bm25", here.registry))
    other = dict(reversed(DOCUMENTS.items()))
    write_corpus(here.settings.data[0] / "other", other)
    request = IndexRequest(
        find_corpus("other", here.settings.data), [here.registry["words"]], WHOLE_DOCUMENTS
    )
    index_corpus(request, index_folder("other", here.settings), here.settings, here.registry, Heard())
    late = open_searcher("other", here.settings, here.registry).retriever(
        parse_retriever("words", here.registry)
    )
    assert isinstance(late, TokenRetriever)
    with pytest.raises(
        IndexRefusedError, match="does not hold the passages that are to be reranked: delete that"
    ):
        RerankRetriever(first, late).points(["chest pain"], k=3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rerank:words", "rerank:words: name also what is reranked, such as rerank:words:bm25"),
        ("rerank:words:", "name also what is reranked"),
        ("rerank:topics:bm25", "needs a late-interaction model, as rerank:LATE:FIRST, and topics is dense"),
        ("rerank:wrods:bm25", "unknown model 'wrods'; did you mean words?"),
        ("rerank:words:topiks", "unknown model 'topiks'; did you mean topics?"),
        ("rerank:words:words", "what is reranked must be a dense model, bm25 or hybrid:MODEL, not words"),
        ("rerank:words:rerank:words:bm25", "a dense model, bm25 or hybrid:MODEL, not rerank:words:bm25"),
        ("hybrid:words", "hybrid needs a dense model, words is late_interaction"),
        ("rerank:words:bm25@no-prompt", "declares no query prompt, so there is none to leave out"),
    ],
)  # fmt: skip
def test_names_that_make_no_sense(name: str, message: str) -> None:
    registry = {**load_registry(), "topics": topic_spec(), "words": word_spec()}
    with pytest.raises(UsageError, match=message):
        parse_retriever(name, registry)


def test_a_name_knows_its_models_and_is_no_hybrid() -> None:
    registry = {**load_registry(), "topics": topic_spec(), "words": word_spec()}
    name = parse_retriever("rerank:words:hybrid:topics", registry)
    assert [spec.name for spec in name.models] == ["words", "topics", "bm25"]
    assert (name.hybrid, name.first and name.first.hybrid) == (False, True)


def test_the_type_of_stored_token_vectors_is_told_of_late_models_only(here: Here) -> None:
    record, _ = here.run(f"bm25,topics,words,{RERANKED}")
    of_each = record["settings"]["retrievers"]
    stored = {name: own.get("stored_vectors") for name, own in of_each.items()}
    assert stored == {
        "bm25": None, "topics": None, "words": {"words": "float16"}, RERANKED: {"words": "float16"}
    }  # fmt: skip
    now = of_each["words"]
    before = {field: value for field, value in now.items() if field != "stored_vectors"}
    assert same_conditions(before, now), "a result of before is not made again for that alone"
    assert not same_conditions({**now, "stored_vectors": {"words": "float32"}}, now)


def test_indexing_passages_tells_of_those_that_a_late_model_cuts(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counter(spec: ModelSpec) -> Callable[[Sequence[str]], list[int]]:
        return lambda texts: [len(text.split()) for text in texts]

    monkeypatch.setattr("medsearch.search.cut_passages.token_counter", counter)
    monkeypatch.setattr("medsearch.search.indexing.token_counter", counter)
    here.registry["words"] = word_spec(max_tokens=8)
    specs = [here.registry["words"]]
    for folder, passages in (("cut", PassageSettings(20, 0)), ("whole", WHOLE_DOCUMENTS)):
        heard = Heard()
        request = IndexRequest(find_corpus("tiny", here.settings.data), specs, passages)
        index_corpus(request, here.settings.index / folder, here.settings, here.registry, heard)
        lines = [line for line in heard.lines if "longer than the 8 tokens that words reads" in line]
        assert len(lines) == (folder == "cut")
