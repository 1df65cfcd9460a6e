"""What `--models` names: each retriever once, in the order given."""

from __future__ import annotations

from fakes import BM25_SPEC, topic_spec

from medsearch.search.names import models_of


def test_a_retriever_named_twice_is_run_once() -> None:
    registry = {"bm25": BM25_SPEC, "topics": topic_spec()}
    retrievers, models = models_of("bm25, topics,bm25,hybrid:topics,,topics", registry)
    assert [one.name for one in retrievers] == ["bm25", "topics", "hybrid:topics"]
    assert [spec.name for spec in models] == ["bm25", "topics"]
