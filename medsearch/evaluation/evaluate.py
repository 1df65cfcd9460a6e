"""Scores retrievers on a test collection and keeps all that makes the scores comparable."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from medsearch.evaluation.measures import judged_queries, mean_scores, per_query_scores
from medsearch.protocols import Retriever
from medsearch.types import Collection, Run

DEPTH = 1000
"""Documents retrieved a query: mteb's and TREC's usual depth, on which MAP depends."""

_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One retriever on one collection: its run, and its scores by query (query_id -> measure -> score)."""

    retriever: str
    run: Run
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
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Retrieve `DEPTH` documents for each query that has a relevant one, and score the run.

    `advance` hears of every block of queries done.

    Raises:
        UsageError: if no query has a relevant document.
    """
    judged = set(judged_queries(collection.qrels))
    queries = [query for query in collection.queries if query.query_id in judged]
    run: dict[str, Mapping[str, float]] = {}
    started = perf_counter()
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        run.update(retriever.retrieve(block, k=DEPTH))
        advance(len(block))
    seconds = perf_counter() - started
    return Evaluation(name, run, per_query_scores(collection.qrels, run), seconds)


def result_record(
    collection: Collection, evaluations: list[Evaluation], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What is kept of an evaluation, ready for JSON: scores by query, settings, git revision, time."""
    return {
        "corpus": collection.name,
        "split": collection.split,
        "documents": len(collection.documents),
        "queries": len(judged_queries(collection.qrels)),
        "models": {evaluation.retriever: evaluation.means for evaluation in evaluations},
        "per_query": {evaluation.retriever: dict(evaluation.scores) for evaluation in evaluations},
        "seconds": {evaluation.retriever: round(evaluation.seconds, 3) for evaluation in evaluations},
        "settings": dict(settings),
        "git_revision": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_revision() -> str:
    """The checkout's commit, "+changes" behind it where files differ; "" outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        revision = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{revision}+changes" if changed else revision


def write_result(record: Mapping[str, Any], file: Path) -> None:
    """Write a result record as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _git(folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()
