"""Search over a run's pool: exact by vectors, the product's own BM25, fused as the product does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import Heard, TopicEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_material import TOPIC_MODEL, many_passages, passage, topic_search, topic_settings, write_run

from medsearch.corpora.catalogue import CorpusFormat, CorpusLocation
from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.index.reader import open_index
from medsearch.ranking import ranked
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import parse_retriever
from medsearch.search.searcher import Searcher
from medsearch.types import WHOLE_DOCUMENTS, Query
from pipeline.pool_search import Found, PoolSearch, open_pool_search

PASSAGES = many_passages(60)
QUERIES = ["chest pain at night", "cough in a child", "glucose and insulin after surgery", "zebra", "the of"]


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> TopicEncoder:
    fake = TopicEncoder()
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: fake)
    return fake


@pytest.fixture
def search(tmp_path: Path, encoder: TopicEncoder) -> PoolSearch:
    run = write_run(tmp_path / "run", PASSAGES)
    return open_pool_search(run, TOPIC_MODEL, topic_settings(tmp_path), Heard())


def named(search: PoolSearch, found: list[Found]) -> list[tuple[str, float]]:
    return [(search.passages[each.number].passage_id, each.score) for each in found]


def brute_force(query: str, k: int) -> list[tuple[str, float]]:
    """Every passage compared in plain numpy; ties as trec_eval breaks them."""
    fake = TopicEncoder()
    matrix = fake.encode_documents([p.text for p in PASSAGES]).astype(np.float64)
    scores = matrix @ fake.encode_queries([query])[0].astype(np.float64)
    rounded = {p.passage_id: round(float(s), 6) for p, s in zip(PASSAGES, scores, strict=True)}
    return ranked(rounded)[:k]


@pytest.mark.parametrize("k", [1, 7, 25, 120, 500])
def test_dense_is_what_comparing_with_every_passage_gives(search: PoolSearch, k: int) -> None:
    for query, found in zip(QUERIES, search.dense(QUERIES, k), strict=True):
        expected = brute_force(query, k)
        assert [name for name, _ in named(search, found)] == [name for name, _ in expected]
        assert [each.score for each in found] == pytest.approx([score for _, score in expected], abs=2e-6)


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    k=st.integers(1, 50),
)
def test_equal_scores_rank_by_id_wherever_the_ranking_is_cut(counts: list[tuple[int, int]], k: int) -> None:
    texts = ["heart " * (a + 1) + "lung " * b for a, b in counts]
    passages = [passage(f"p{number:02d}", text) for number, text in enumerate(texts)]
    search = topic_search(passages)
    whole = ranked(
        dict(
            zip(
                search.number_of,
                search.scores(search.query_vectors(["heart"])[0], range(len(texts))),
                strict=True,
            )
        )
    )
    assert named(search, search.dense(["heart"], k)[0]) == whole[:k]


def test_words_rank_as_the_products_own_retriever(search: PoolSearch, tmp_path: Path) -> None:
    settings = topic_settings(tmp_path)
    registry = load_registry(settings.models)
    bm25 = parse_retriever("bm25", registry)
    request = IndexRequest(
        CorpusLocation("again", tmp_path / "run" / "pool", CorpusFormat.BEIR), bm25.models, WHOLE_DOCUMENTS
    )
    folder, _ = evaluation_index(request, settings, registry, Heard())
    product = Searcher("again", open_index(folder), registry, settings.cache).retriever(bm25, exact=True)
    run = product.retrieve([Query(str(n), text) for n, text in enumerate(QUERIES)], k=len(PASSAGES))
    for number, found in enumerate(search.lexical(QUERIES, 12)):
        assert named(search, found) == ranked(run[str(number)])[:12]
    assert search.lexical(["zebra", "the of"], 12) == [[], []]


def test_fusing_rankings_made_before_is_hybrid_search(search: PoolSearch, encoder: TopicEncoder) -> None:
    expected = search.hybrid(QUERIES, 10)
    # Deeper rankings, as whoever looks at ranks below asks for, are fused no deeper.
    dense, lexical = search.dense(QUERIES, 120), search.lexical(QUERIES, 120)
    encoder.queries.clear()
    assert search.fused(dense, lexical, 10) == expected
    assert encoder.queries == []
    with pytest.raises(ValueError, match="shorter"):
        search.fused(dense, lexical[1:], 10)


def test_hybrid_fuses_as_the_product_does(
    tmp_path: Path, search: PoolSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = topic_settings(tmp_path)
    registry = load_registry(settings.models)
    hybrid = parse_retriever(f"hybrid:{TOPIC_MODEL}", registry)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", lambda spec, cache: TopicEncoder())
    monkeypatch.setattr("medsearch.search.searcher.load_encoder", lambda spec, cache: TopicEncoder())
    request = IndexRequest(
        CorpusLocation("again", tmp_path / "run" / "pool", CorpusFormat.BEIR), hybrid.models, WHOLE_DOCUMENTS
    )
    folder, _ = evaluation_index(request, settings, registry, Heard())
    product = Searcher("again", open_index(folder), registry, settings.cache).retriever(hybrid, exact=True)
    queries = ["angina at night 17", "insulin after surgery with rash", "asthma 5"]
    run = product.retrieve([Query(str(n), text) for n, text in enumerate(queries)], k=10)
    for number, found in enumerate(search.hybrid(queries, 10)):
        assert named(search, found) == ranked(run[str(number)])
        assert found[0].score > found[-1].score


def test_vectors_are_encoded_once_and_a_stop_loses_one_chunk_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medsearch.index.vectors.CHUNK", 16)
    run = write_run(tmp_path / "run", PASSAGES)
    encoders = [TopicEncoder(stop_after=40), TopicEncoder(), TopicEncoder()]
    used = iter(encoders)
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: next(used))
    settings = topic_settings(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        open_pool_search(run, TOPIC_MODEL, settings, Heard())
    heard = Heard()
    resumed = open_pool_search(run, TOPIC_MODEL, settings, heard)
    again = open_pool_search(run, TOPIC_MODEL, settings, Heard())
    assert [len(each.documents) for each in encoders] == [32, len(PASSAGES) - 32, 0]
    assert heard.stages["Encoding the pool of run with topics"] == len(PASSAGES)
    assert np.array_equal(resumed.matrix, TopicEncoder().encode_documents([p.text for p in PASSAGES]))
    assert np.array_equal(again.matrix, resumed.matrix)
    assert np.array_equal(resumed.vectors([5, 2]), resumed.matrix[[5, 2]])


def test_a_changed_pool_never_meets_old_vectors(tmp_path: Path, encoder: TopicEncoder) -> None:
    settings = topic_settings(tmp_path)
    open_pool_search(write_run(tmp_path / "run", PASSAGES), TOPIC_MODEL, settings, Heard())
    swapped = [PASSAGES[1], PASSAGES[0], *PASSAGES[2:]]
    search = open_pool_search(write_run(tmp_path / "run", swapped), TOPIC_MODEL, settings, Heard())
    assert np.array_equal(search.matrix, TopicEncoder().encode_documents([p.text for p in swapped]))
    [found] = search.lexical([PASSAGES[0].text], 1)
    assert found == [Found(1, found[0].score)]


def test_queries_go_behind_the_query_prompt_and_passages_do_not(
    search: PoolSearch, encoder: TopicEncoder
) -> None:
    search.dense(["chest"], 1)
    assert encoder.queries == ["chest"]
    assert encoder.documents == [p.text for p in PASSAGES]


@pytest.mark.parametrize(
    ("passages", "message"),
    [([], "holds no passage"), ([PASSAGES[0], PASSAGES[0]], r"corpus.jsonl:2 repeats the passage id 'p000'")],
)
def test_a_pool_that_cannot_be_searched_is_refused(
    tmp_path: Path, encoder: TopicEncoder, passages: list, message: str
) -> None:
    run = write_run(tmp_path / "run", passages)
    with pytest.raises(MedsearchError, match=message):
        open_pool_search(run, TOPIC_MODEL, topic_settings(tmp_path), Heard())


def test_a_base_model_must_be_dense(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", PASSAGES)
    with pytest.raises(UsageError, match="base_model must name a dense model; bm25 is sparse"):
        open_pool_search(run, "bm25", topic_settings(tmp_path), Heard())
