"""Retrieval measures by trec_eval's own code (pytrec_eval), query by query.

Grades above 0 are relevant; 0, negative and absent ones are not, as in trec_eval. nDCG uses the grade as
the gain and 1 / log2(rank + 1) as the discount, as trec_eval and mteb do (Järvelin & Kekäläinen, TOIS 2002).

Means are over the queries with at least one relevant document. mteb's are over every query that has a
judgement, also those judged to have nothing relevant, which can only score 0: with Q such queries beside N
scored ones, mteb's mean is ours times N / (N + Q). A result record gives both counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from medsearch.errors import MedsearchError, UsageError
from medsearch.ranking import ranked
from medsearch.types import Qrels, Run

MEASURES = ("nDCG@10", "Recall@100", "MRR@10", "MAP", "P@10")

MAX_GRADE = 1_000_000
"""trec_eval counts documents in a table as long as the highest grade: a far greater one crashes it."""

_TREC_NAMES = {"nDCG@10": "ndcg_cut_10", "Recall@100": "recall_100", "MAP": "map", "P@10": "P_10"}
_MRR_DEPTH = 10


def judged_queries(qrels: Qrels) -> list[str]:
    """Ids of the queries that have at least one relevant document; only these can be scored."""
    return [query_id for query_id, grades in qrels.items() if any(grade > 0 for grade in grades.values())]


def per_query_scores(qrels: Qrels, run: Run) -> dict[str, dict[str, float]]:
    """query_id -> measure -> score in [0, 1], for every query with a relevant document.

    A query for which the run has nothing scores 0 in every measure.

    Raises:
        UsageError: if no query of `qrels` has a relevant document.
        MedsearchError: if a grade is above `MAX_GRADE`.
    """
    import pytrec_eval

    queries = judged_queries(qrels)
    if not queries:
        raise UsageError("the judgements name no relevant document, so nothing can be scored")
    judged = {query_id: _gains(query_id, qrels[query_id]) for query_id in queries}
    runs = {query_id: {k: float(v) for k, v in run.get(query_id, {}).items()} for query_id in queries}
    found = pytrec_eval.RelevanceEvaluator(judged, set(_TREC_NAMES.values())).evaluate(runs)
    # trec_eval has no cut for the reciprocal rank, so it is given the first ten only.
    first_ten = {query_id: dict(ranked(scores)[:_MRR_DEPTH]) for query_id, scores in runs.items()}
    reciprocal = pytrec_eval.RelevanceEvaluator(judged, {"recip_rank"}).evaluate(first_ten)
    return {
        query_id: {
            measure: reciprocal.get(query_id, {}).get("recip_rank", 0.0)
            if measure == "MRR@10"
            else found.get(query_id, {}).get(_TREC_NAMES[measure], 0.0)
            for measure in MEASURES
        }
        for query_id in queries
    }


def mean_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Measure -> mean over the queries."""
    return {
        measure: sum(of_query[measure] for of_query in scores.values()) / len(scores) for measure in MEASURES
    }


def _gains(query_id: str, grades: Mapping[str, int]) -> dict[str, int]:
    """Grades as trec_eval's 32-bit integers can hold them; what is below 0 gains nothing there either."""
    for doc_id, grade in grades.items():
        if grade > MAX_GRADE:
            raise MedsearchError(
                f"query {query_id!r}, document {doc_id!r}: the grade {str(grade)[:20]} is above {MAX_GRADE:,}"
            )
    return {doc_id: max(grade, 0) for doc_id, grade in grades.items()}
