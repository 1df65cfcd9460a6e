"""Our means against mteb's own scorer, on runs over real collections."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_material import run_benchmark
from fakes import Heard

from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.evaluation.evaluate import Evaluation, without_identical_ids
from medsearch.evaluation.measures import per_query_scores
from medsearch.search.benchmark import BenchmarkRequest
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import Qrels, Run

pytestmark = pytest.mark.slow

CUTS = (10, 100, 1000)


def mteb_means(run: Run, qrels: Qrels) -> dict[str, float]:
    """What mteb 2 makes of a run; means are taken here, since mteb rounds its own to five places."""
    scorer = pytest.importorskip(
        "mteb._evaluators.retrieval_metrics", reason="mteb: pip install medsearch[train]"
    )
    plain = {query_id: dict(scores) for query_id, scores in run.items()}
    judged = {query_id: dict(qrels[query_id]) for query_id in run}
    result = scorer.calculate_retrieval_scores(plain, judged, CUTS)

    def mean(name: str) -> float:
        return sum(scores[name] for scores in result.all_scores.values()) / len(result.all_scores)

    return {
        "nDCG@10": mean("ndcg_cut_10"),
        "Recall@100": mean("recall_100"),
        "MRR@10": result.mrr["MRR@10"],
        "MAP": mean("map_cut_1000"),
        "P@10": mean("P_10"),
    }


@pytest.fixture(scope="module", params=["trec_covid_mini", "cystic_fibrosis"])
def scored(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Evaluation:
    folder = tmp_path_factory.mktemp("parity")
    settings = Settings((real_data,), folder / "index", folder / "cache", None)
    registry = load_registry()
    location = find_corpus(request.param, settings.data)
    asked = BenchmarkRequest(location, "test", (parse_retriever("bm25", registry),))
    _, [evaluation] = run_benchmark(asked, settings, registry, Heard())
    return evaluation


def test_means_are_mtebs_over_the_same_queries(scored: Evaluation) -> None:
    assert set(scored.run) == set(scored.scores)
    assert scored.means == pytest.approx(mteb_means(scored.run, scored.qrels), abs=1e-6)


def test_mtebs_own_means_are_lower_by_the_queries_with_nothing_relevant(scored: Evaluation) -> None:
    [any_ranking, *_] = scored.run.values()
    everything = {query_id: scored.run.get(query_id, any_ranking) for query_id in scored.qrels}
    share = len(scored.scores) / len(scored.qrels)
    expected = {measure: mean * share for measure, mean in scored.means.items()}
    assert mteb_means(everything, scored.qrels) == pytest.approx(expected, abs=1e-6)


def test_identical_ids_are_passed_over_as_mteb_does() -> None:
    evaluator = pytest.importorskip("mteb._evaluators.retrieval_evaluator", reason="mteb is not installed")
    run = {"a": {"a": 9.0, "b": 8.0, "c": 7.0}, "b": {"c": 5.0, "a": 4.0, "b": 3.0}}
    qrels = {"a": {"b": 1}, "b": {"a": 2, "c": 1}}
    plain = {query_id: dict(scores) for query_id, scores in run.items()}
    theirs = evaluator.RetrievalEvaluator.evaluate(
        object.__new__(evaluator.RetrievalEvaluator), qrels, plain, CUTS, ignore_identical_ids=True
    )
    ours = per_query_scores(qrels, without_identical_ids(run))
    for query_id, scores in theirs.all_scores.items():
        assert ours[query_id]["nDCG@10"] == pytest.approx(scores["ndcg_cut_10"], abs=1e-6)
        assert ours[query_id]["MAP"] == pytest.approx(scores["map_cut_1000"], abs=1e-6)
    assert ours["a"]["MRR@10"] == 1.0
