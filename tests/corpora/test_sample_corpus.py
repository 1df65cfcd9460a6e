"""The bundled corpus keeps what it promises: size, lengths, kinds, marks, judged queries, hard ones too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.types import Collection

KINDS = {"condition", "drug", "procedure", "public_health", "clinical_note"}
QUERY_KINDS = {"keyword", "question", "follow_up", "abbreviation"}
HARD = {"negation", "side", "dose", "age_group", "look_alike_drug"}


@pytest.fixture(scope="module")
def sample(root: Path) -> Collection:
    rejects = Rejects(strict=True)
    collection = load_collection(find_corpus("sample", [root / "data"]), "test", rejects)
    assert rejects.warnings == []
    return collection


def test_passages_are_many_of_the_right_length_and_marked(sample: Collection) -> None:
    assert len(sample.documents) >= 300
    for document in sample.documents:
        assert 60 <= len(document.text.split()) <= 200, document.doc_id
        assert document.metadata["kind"] in KINDS
        assert isinstance(document.metadata["year"], int)
        assert document.metadata["specialty"]
        assert document.metadata["evidence"]
        assert "demonstration" in str(document.metadata["note"])
    assert len({document.metadata["topic"] for document in sample.documents}) >= 75
    assert Counter(document.metadata["kind"] for document in sample.documents)["clinical_note"] >= 40
    assert len({document.text for document in sample.documents}) == len(sample.documents)


def test_queries_are_of_every_kind_and_each_is_answered(sample: Collection) -> None:
    assert len(sample.queries) >= 150
    kinds = Counter(query.metadata["kind"] for query in sample.queries)
    assert set(kinds) == QUERY_KINDS
    assert min(kinds.values()) >= 30
    for query in sample.queries:
        grades = sample.qrels[query.query_id]
        assert set(grades.values()) <= {1, 2}
        assert 2 in grades.values(), query.query_id


def test_hard_queries_have_a_near_miss_that_only_relates(sample: Collection) -> None:
    hard = [query for query in sample.queries if query.metadata["hard"]]
    assert len(hard) >= 40
    assert {str(query.metadata["hard"]) for query in hard} >= HARD
    without = [query.query_id for query in hard if 1 not in sample.qrels[query.query_id].values()]
    assert len(without) <= len(hard) // 10, without
