"""Scores a TREC run file on a test collection, by the collection's judgements or those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, load_collection, read_documents, read_queries
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import Evaluation, result_record, without_identical_ids
from medsearch.evaluation.measures import per_query_scores
from medsearch.evaluation.mismatches import check_shared_queries, query_mismatches, unknown_documents
from medsearch.evaluation.trec import read_qrels, read_run
from medsearch.protocols import Progress
from medsearch.search.benchmark import say_what_is_odd
from medsearch.search.identical_ids import ignores_identical_ids
from medsearch.settings import Settings
from medsearch.types import Collection


@dataclass(frozen=True, slots=True)
class RunFileRequest:
    """Which run to score on which split of which corpus; `qrels` in place of the split's judgements."""

    location: CorpusLocation
    split: str
    run: Path
    qrels: Path | None = None
    ignore_identical_ids: bool = False


def score_run_file(
    request: RunFileRequest, settings: Settings, progress: Progress
) -> tuple[dict[str, Any], Evaluation]:
    """Score the run; returns the result record and the evaluation.

    Raises:
        UsageError: if there is no such file or split, or no judged query has a relevant document.
        MedsearchError: naming file and line of what is wrong in one, or if the run has no judged query.
    """
    # The files come first: reading a large corpus in vain takes a minute.
    run = read_run(request.run)
    given = read_qrels(request.qrels) if request.qrels else None
    rejects = Rejects()
    collection = _collection(request, given, rejects)
    qrels = collection.qrels
    check_shared_queries(run, qrels, str(request.run))
    ignore = request.ignore_identical_ids or ignores_identical_ids(request.location, settings, progress)
    known = {document.doc_id for document in collection.documents}
    if given is not None:
        rejects.warnings += unknown_documents(given, known, "the judgements")
    rejects.warnings += [*unknown_documents(run, known, "the run"), *query_mismatches(run, qrels)]
    say_what_is_odd(collection.name, rejects, progress)
    scored = without_identical_ids(run) if ignore else run
    evaluation = Evaluation(request.run.stem, scored, qrels, per_query_scores(qrels, scored), 0.0)
    kept = {
        "run": str(request.run),
        "qrels": str(request.qrels or "of the corpus"),
        "ignore_identical_ids": ignore,
        "rejects": rejects.count,
    }
    return result_record(collection, [evaluation], kept, rejects.warnings), evaluation


def _collection(
    request: RunFileRequest, given: dict[str, dict[str, int]] | None, rejects: Rejects
) -> Collection:
    """The test collection; with judgements of one's own, the corpus needs to have none."""
    if given is None:
        return load_collection(request.location, request.split, rejects)
    documents = tuple(read_documents(request.location, rejects))
    queries = tuple(query for query in read_queries(request.location, rejects) if query.query_id in given)
    return Collection(request.location.name, request.split, documents, queries, given)
