"""The score a question is judged by: of BM25 a share of the best possible, which none can exceed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from fakes import BM25_SPEC, Heard, TopicEncoder, topic_spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsearch.corpora.catalogue import find_corpus
from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.reader import IndexReader, open_index
from medsearch.search.abstention import answer_scores, judged_by
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import RetrieverName
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Query

DOCUMENTS = {
    "heart": "Angina is chest pain from the heart. Beta-blockers help.",
    "lung": "Asthma gives a cough, and wheeze. A cough at night.",
    "sugar": "Diabetes: glucose is high. Insulin lowers glucose.",
}
WORDS = ("angina", "the", "cough", "beta-blockers", "IL-6", "zebra", "glucose,", "Cough", "?", "of")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> IndexReader:
    """Three documents with BM25 and the stand-in model."""
    home = tmp_path_factory.mktemp("answer_scores")
    (home / "data" / "tiny").mkdir(parents=True)
    rows = [json.dumps({"_id": key, "text": text}) for key, text in DOCUMENTS.items()]
    (home / "data" / "tiny" / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    location = find_corpus("tiny", (home / "data",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medsearch.search.indexing.load_encoder", lambda spec, cache: TopicEncoder(spec))
        request = IndexRequest(location, (topic_spec(), BM25_SPEC), WHOLE_DOCUMENTS)
        index_corpus(request, home / "index", _settings(home), {}, Heard())
    return open_index(home / "index")


def _settings(home: Path) -> Settings:
    return Settings((home / "data",), home / "index", home / "cache", None)


def shares(reader: IndexReader, *texts: str) -> list[float]:
    return answer_scores(Bm25Retriever(reader, BM25_SPEC), [Query(text, text) for text in texts])


def test_a_question_all_of_whose_words_one_document_has_best_is_wholly_answered(reader: IndexReader) -> None:
    found = shares(reader, "angina", "the cough of asthma", "glucose GLUCOSE insulin", "beta-blockers")
    assert found == pytest.approx([1.0] * 4, abs=1e-6)


def test_words_of_two_documents_and_words_of_none_lower_the_share(reader: IndexReader) -> None:
    both, unknown, nothing, stop_words = shares(reader, "angina asthma", "angina zebra", "zebra", "of the")
    assert 0.4 < both < 0.6
    assert (nothing, stop_words) == (0.0, 0.0)
    angina = reader.search_bm25(BM25_SPEC, "angina", k=1)[0].score
    # (k1 + 1) times the idf of a word in none of three documents: ln(1 + (3 - 0 + 0.5) / (0 + 0.5)).
    assert unknown == pytest.approx(angina / (angina + 2.2 * math.log(8)), rel=1e-5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=8))
def test_no_share_is_above_one_and_the_words_have_all_tokens_of_the_text(
    reader: IndexReader, words: list[str]
) -> None:
    text = " ".join(words)
    [share] = shares(reader, text)
    assert 0.0 <= share <= 1.0 + 1e-6
    encoder = Bm25Encoder(BM25_SPEC, 5.0)
    assert frozenset().union(*(encoder.tokens(word) for word in text.split())) == encoder.tokens(text)


def test_a_dense_model_is_judged_by_the_cosine_of_the_best_hit(reader: IndexReader) -> None:
    encoder = TopicEncoder()
    [found] = answer_scores(DenseRetriever(reader, encoder, exact=True), [Query("q", "a cough")])
    [query] = encoder.encode_queries(["a cough"])
    best = max(float(query @ row) for row in encoder.encode_documents(list(DOCUMENTS.values())))
    assert found == pytest.approx(best, abs=1e-6)


def test_a_document_with_the_querys_own_id_is_passed_over_when_asked(reader: IndexReader) -> None:
    query = [Query("lung", DOCUMENTS["lung"])]
    for retriever in (DenseRetriever(reader, TopicEncoder(), exact=True), Bm25Retriever(reader, BM25_SPEC)):
        own, without = (
            answer_scores(retriever, query, ignore_identical_ids=ignore)[0] for ignore in (False, True)
        )
        assert own == pytest.approx(1.0, abs=1e-5)
        assert without < 0.9


def test_a_hybrid_is_judged_by_its_dense_part() -> None:
    dense, bm25 = topic_spec(), BM25_SPEC
    judged = judged_by(RetrieverName("hybrid:topics", (dense, bm25)))
    assert judged == RetrieverName("topics", (dense,))
    assert judged_by(judged) == judged
    assert judged_by(RetrieverName("bm25", (bm25,))).models == (bm25,)
