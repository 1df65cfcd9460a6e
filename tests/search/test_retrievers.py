"""Dense, BM25 and hybrid retrieval over a small real index whose vectors mean something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import BM25_SPEC, Heard, TopicEncoder, topic_spec

from medsearch.index.assemble import Source
from medsearch.index.build import CutReport, Material, build_index
from medsearch.index.manifest import Plan
from medsearch.index.reader import IndexReader, Point, open_index
from medsearch.search.retrievers import (
    Bm25Retriever,
    DenseRetriever,
    HybridRetriever,
    roll_up,
    search_passages,
)
from medsearch.types import Filter, Passage, PassageSettings, Query

TEXTS = {
    "heart": ["Angina is chest pain from the heart.", "Cardiac rehabilitation follows.", "Aspirin 75 mg."],
    "lung": ["Asthma gives a cough and short breath.", "A spacer helps children breathe."],
    "sugar": ["Diabetes: glucose is high.", "Insulin lowers glucose.", "Chest infections raise glucose."],
    "skin": ["Eczema is an itchy rash."],
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> IndexReader:
    folder: Path = tmp_path_factory.mktemp("index")
    passages = [
        Passage(doc_id, number, "", text, "", 0, len(text), {"year": 2000 + 5 * place, "kind": "note"})
        for place, (doc_id, texts) in enumerate(TEXTS.items())
        for number, text in enumerate(texts)
    ]
    plan = Plan("tiny", "0" * 64, PassageSettings(), {"topics": topic_spec(), "bm25": BM25_SPEC}, cutting=1)
    material = Material(
        passages=lambda: iter(passages),
        documents=lambda: None,
        cut=lambda: CutReport(0, 0),
        text=lambda passage: passage.text,
        encoder=lambda _: TopicEncoder(),
        source=Source("", ""),
    )
    build_index(folder, plan, material, Heard())
    return open_index(folder)


def test_dense_finds_by_meaning_and_scores_are_dot_products(reader: IndexReader) -> None:
    encoder = TopicEncoder()
    run = DenseRetriever(reader, encoder).retrieve([Query("q", "breath cough")], k=10)
    [query] = TopicEncoder().encode_queries(["breath cough"])
    by_hand = {
        doc_id: float(max(TopicEncoder().encode_documents(texts) @ query)) for doc_id, texts in TEXTS.items()
    }
    assert run["q"] == pytest.approx(by_hand, abs=1e-6)
    assert encoder.queries == ["breath cough"]
    assert encoder.documents == []


def test_bm25_finds_only_documents_that_share_a_word(reader: IndexReader) -> None:
    [ranking] = Bm25Retriever(reader, BM25_SPEC).points(["glucose in the chest"], k=10)
    assert [point.doc_id for point in ranking] == ["sugar", "heart"]
    assert Bm25Retriever(reader, BM25_SPEC).retrieve([Query("q", "zebra")], k=10) == {"q": {}}
    assert Bm25Retriever(reader, BM25_SPEC).retrieve([Query("q", "the of and")], k=10) == {"q": {}}


def test_the_best_passage_stands_for_its_document(reader: IndexReader) -> None:
    hits = search_passages(Bm25Retriever(reader, BM25_SPEC), reader, "insulin", k=5)
    assert [(hit.passage.doc_id, hit.passage.text) for hit in hits] == [("sugar", "Insulin lowers glucose.")]


def test_hybrid_takes_from_both_and_names_a_document_once(reader: IndexReader) -> None:
    hybrid = HybridRetriever((DenseRetriever(reader, TopicEncoder()), Bm25Retriever(reader, BM25_SPEC)))
    [ranking] = hybrid.points(["aspirin for the heart"], k=10)
    assert ranking[0].doc_id == "heart"
    assert len({point.doc_id for point in ranking}) == len(ranking) == 4
    assert ranking[0].score == pytest.approx(2 / 61)
    shorter = hybrid.points(["aspirin for the heart"], k=2)[0]
    assert shorter == ranking[:2]


def test_filters_hold_for_every_part_of_a_hybrid(reader: IndexReader) -> None:
    hybrid = HybridRetriever((DenseRetriever(reader, TopicEncoder()), Bm25Retriever(reader, BM25_SPEC)))
    [ranking] = hybrid.points(["glucose cough"], k=10, where=Filter(year_from=2005, year_to=2010))
    assert {point.doc_id for point in ranking} == {"lung", "sugar"}


def test_exact_and_approximate_agree_on_a_small_index(reader: IndexReader) -> None:
    queries = [Query(str(i), text) for i, text in enumerate(("chest pain", "itch", "breath and glucose"))]
    assert DenseRetriever(reader, TopicEncoder(), exact=True).retrieve(queries, k=4) == DenseRetriever(
        reader, TopicEncoder()
    ).retrieve(queries, k=4)


def test_roll_up_fetches_more_until_it_has_enough_documents() -> None:
    points = [Point(n, "long", 1.0 - n / 100) for n in range(50)] + [Point(50, "b", 0.2), Point(51, "c", 0.1)]
    asked: list[int] = []

    def fetch(count: int) -> list[Point]:
        asked.append(count)
        return points[:count]

    assert [(p.doc_id, p.number) for p in roll_up(fetch, 2, whole_documents=False)] == [
        ("long", 0),
        ("b", 50),
    ]
    assert asked == [6, 12, 24, 48, 96]
    assert [p.doc_id for p in roll_up(fetch, 9, whole_documents=False)] == ["long", "b", "c"]


def test_many_texts_at_once_are_as_one_at_a_time(reader: IndexReader) -> None:
    retriever = DenseRetriever(reader, TopicEncoder())
    texts = ["angina", "asthma", "eczema rash"]
    assert retriever.points(texts, k=3) == [retriever.points([text], k=3)[0] for text in texts]
    assert np.isfinite([p.score for ranking in retriever.points(texts, k=3) for p in ranking]).all()
