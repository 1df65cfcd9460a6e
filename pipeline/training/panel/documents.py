"""Which queries and documents of a dev task stand in the panel."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, fingerprint, load_collection
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import find_model
from medsearch.evaluation.measures import judged_queries
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.ranking import ranked
from medsearch.search.conditions import qrels_hash
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.identical_ids import ignores_identical_ids
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import BM25, RetrieverName
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Collection, ModelSpec, Query
from medsearch.workbench.suites import SuiteTask
from pipeline.training.panel.file import KeptTask, plan_hash
from pipeline.training.recipe import DistractorSource, SelectTable

RULES = 1
"""Version of the way panels are drawn; raised when the same input gives another panel."""

_SPARE = 16
"""How many more are fetched than wanted: equal scores at the end are then cut by id, not by chance."""

_PANEL_KEYS = {"queries", "distractors", "distractors_from", "random_documents", "seed"}


@dataclass(frozen=True, slots=True)
class PanelSource:
    """What panels are drawn with: the recipe's table, the base, and where corpora and indexes lie."""

    table: SelectTable
    base: ModelSpec
    registry: Mapping[str, ModelSpec]
    settings: Settings
    progress: Progress

    def plan(self, task: SuiteTask) -> str:
        """A hash of all that this task's panel depends on; no document is read."""
        from medsearch.corpora.catalogue import read_judgements

        location = find_corpus(task.corpus, self.settings.data)
        searches = [spec.of_vectors for spec in self.searches()]
        return plan_hash(
            {
                "rules": RULES,
                "task": task.name,
                "corpus": fingerprint(location),
                "judgements": qrels_hash(read_judgements(location, task.split, Rejects())),
                "searches": searches,
                **self.table.model_dump(mode="json", include=_PANEL_KEYS),
            }
        )

    def searches(self) -> list[ModelSpec]:
        """The models whose best documents are distractors."""
        named = {DistractorSource.BM25: find_model(BM25, self.registry), DistractorSource.BASE: self.base}
        return [named[each] for each in dict.fromkeys(self.table.distractors_from)]


def panel_slice(source: PanelSource, task: SuiteTask) -> KeptTask:
    """Draw one task's queries and documents.

    Raises:
        UsageError: the corpus is missing, or has no such split.
        CorpusError: it cannot be read.
    """
    location = find_corpus(task.corpus, source.settings.data)
    collection = load_collection(location, task.split, Rejects())
    draw = random.Random(f"{source.table.seed} {task.name}")  # noqa: S311 - a sample, nothing secret
    queries = _queries(collection, source.table.queries, draw)
    ids = _documents(source, location, collection, queries, draw)
    texts = {document.doc_id: document_text(document) for document in collection.documents}
    asked = {query.query_id for query in queries}
    return KeptTask(
        name=task.name,
        queries={query.query_id: query.text for query in queries},
        documents={doc_id: texts[doc_id] for doc_id in ids},
        qrels={key: dict(grades) for key, grades in collection.qrels.items() if key in asked},
        ignore_identical_ids=ignores_identical_ids(location, source.settings, source.progress),
    )


def _queries(collection: Collection, most: int, draw: random.Random) -> list[Query]:
    """At most `most` of the queries that have a right answer, in the order of their ids."""
    judged = set(judged_queries(collection.qrels))
    able = sorted((q for q in collection.queries if q.query_id in judged), key=lambda query: query.query_id)
    return able if len(able) <= most else sorted(draw.sample(able, most), key=lambda query: query.query_id)


def _documents(
    source: PanelSource,
    location: CorpusLocation,
    collection: Collection,
    queries: Sequence[Query],
    draw: random.Random,
) -> list[str]:
    """Ids of the panel's documents, sorted."""
    there = sorted(document.doc_id for document in collection.documents)
    judged = {doc_id for query in queries for doc_id in collection.qrels[query.query_id]}
    kept = judged & set(there)
    table = source.table
    searches = len(table.distractors_from)
    if len(there) <= len(kept) + table.random_documents:
        return there
    if table.distractors and searches:
        kept |= set(_distractors(source, location, queries))
    others = [doc_id for doc_id in there if doc_id not in kept]
    drawn = draw.sample(others, min(table.random_documents, len(others)))
    return sorted(kept.union(drawn))


def _distractors(source: PanelSource, location: CorpusLocation, queries: Sequence[Query]) -> Iterator[str]:
    for spec in source.searches():
        wanted = IndexRequest(location, (spec,), WHOLE_DOCUMENTS)
        folder, _ = evaluation_index(wanted, source.settings, source.registry, source.progress)
        searcher = Searcher(location.name, open_index(folder), source.registry, source.settings.cache)
        try:
            retriever = searcher.retriever(RetrieverName(spec.name, (spec,)), exact=True)
            run = retriever.retrieve(queries, k=source.table.distractors + _SPARE)
        finally:
            searcher.reader.close()
        for found in run.values():
            yield from (doc_id for doc_id, _ in ranked(found)[: source.table.distractors])
