"""The engine's BM25 against the formula written out in plain Python, over the bundled corpus."""

from __future__ import annotations

import pytest
from benchmark_material import run_benchmark
from fakes import Heard

from benchmarks.bm25_ablation import VARIANTS, bm25_run
from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import load_registry
from medsearch.search.benchmark import BenchmarkRequest
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings


def test_bm25_of_the_engine_is_the_published_formula(settings: Settings) -> None:
    registry = load_registry()
    location = find_corpus("sample", settings.data)
    request = BenchmarkRequest(location, "test", (parse_retriever("bm25", registry),))
    record, [evaluation] = run_benchmark(request, settings, registry, Heard())
    by_hand = bm25_run(load_collection(location, "test", Rejects()), VARIANTS[0])
    assert record["queries"] == len(by_hand) >= 150
    for query_id, scores in evaluation.run.items():
        expected = {doc_id: score for doc_id, score in by_hand[query_id].items() if doc_id in scores}
        assert len(expected) == len(scores)
        assert dict(scores) == pytest.approx(expected, rel=2e-3)
