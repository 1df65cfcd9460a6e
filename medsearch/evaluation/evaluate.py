"""Scores retrievers on a test collection and keeps all that makes the scores comparable."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from medsearch.evaluation.measures import judged_queries, mean_scores, per_query_scores
from medsearch.protocols import Retriever
from medsearch.ranking import ranked
from medsearch.types import Collection, Qrels, Run

DEPTH = 1000
"""Documents retrieved a query: mteb's and TREC's usual depth, on which MAP depends."""

_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One retriever on one collection: its run, the judgements it was scored by, and its scores by query.

    `scores` is query_id -> measure -> score; `seconds` is how long retrieving took.
    """

    retriever: str
    run: Run
    qrels: Qrels
    scores: Mapping[str, Mapping[str, float]]
    seconds: float

    @property
    def means(self) -> dict[str, float]:
        """Measure -> mean over the queries."""
        return mean_scores(self.scores)


def evaluate(
    name: str,
    retriever: Retriever,
    collection: Collection,
    *,
    ignore_identical_ids: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Retrieve `DEPTH` documents for each query that has a relevant one, and score the run.

    A judged query that the collection lacks cannot be asked, and scores 0. With `ignore_identical_ids` a
    document whose id is the query's is passed over. `advance` hears of every block of queries done.

    Raises:
        UsageError: if no query has a relevant document.
    """
    judged = set(judged_queries(collection.qrels))
    queries = [query for query in collection.queries if query.query_id in judged]
    run: dict[str, Mapping[str, float]] = {}
    started = perf_counter()
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        found = retriever.retrieve(block, k=DEPTH + ignore_identical_ids)
        run.update(without_identical_ids(found) if ignore_identical_ids else found)
        advance(len(block))
    seconds = perf_counter() - started
    return Evaluation(name, run, collection.qrels, per_query_scores(collection.qrels, run), seconds)


def without_identical_ids(run: Run) -> dict[str, dict[str, float]]:
    """The best `DEPTH` documents of each query but the one that has the query's own id.

    Where queries are themselves documents of the corpus, each would find itself first. mteb passes over
    these in the tasks that say `ignore_identical_ids = True`, such as its class `ArguAna`.
    """
    others = {
        query_id: {doc_id: score for doc_id, score in scores.items() if doc_id != query_id}
        for query_id, scores in run.items()
    }
    return {query_id: dict(ranked(scores)[:DEPTH]) for query_id, scores in others.items()}


def result_record(
    collection: Collection,
    evaluations: Sequence[Evaluation],
    settings: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """What is kept of an evaluation, ready for JSON: scores by query, settings, git revision, time.

    `queries` are those the means are over, `queries_judged` all that have a judgement (mteb's means are over
    these, see `measures`). The judgements are those of the evaluations, not of the collection.
    """
    qrels = evaluations[0].qrels
    return {
        "corpus": collection.name,
        "split": collection.split,
        "documents": len(collection.documents),
        "queries": len(evaluations[0].scores),
        "queries_judged": sum(1 for grades in qrels.values() if grades),
        "models": {evaluation.retriever: evaluation.means for evaluation in evaluations},
        "per_query": {evaluation.retriever: dict(evaluation.scores) for evaluation in evaluations},
        "query_keys": query_keys(collection, evaluations[0].scores) if evaluations else {},
        "seconds": {evaluation.retriever: round(evaluation.seconds, 3) for evaluation in evaluations},
        "settings": dict(settings),
        "warnings": list(warnings),
        "git_revision": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def query_keys(collection: Collection, scored: Container[str]) -> dict[str, str]:
    """query_id -> the beginning of a SHA-256 of its words, whatever their case and spacing.

    Two tasks may ask the same question: what is seen on both is then seen once, not twice.
    """
    return {
        query.query_id: sha256(" ".join(query.text.casefold().split()).encode()).hexdigest()[:16]
        for query in collection.queries
        if query.query_id in scored
    }


def git_revision(folder: Path | None = None) -> str:
    """The commit that `folder` (default: ours) is checked out at, "+changes" behind it where files differ.

    "" outside a checkout, and in a folder that git keeps nothing of, as an installed package's is.
    """
    here = folder or Path(__file__).resolve().parent
    try:
        _git(here, "ls-files", "--error-unmatch", ".")
        revision = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{revision}+changes" if changed else revision


def _git(folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()
