"""Evaluates retrievers by name on a test collection: as mteb does by default, or as the page searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import Evaluation, evaluate, result_record
from medsearch.evaluation.measures import judged_queries
from medsearch.evaluation.trec import check_ids
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.conditions import retriever_conditions, shared_conditions
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.identical_ids import ignores_identical_ids
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import RetrieverName
from medsearch.search.query_tokens import remembering_tokens
from medsearch.search.query_vectors import remembering
from medsearch.search.reranking import TokenRetriever, assemble
from medsearch.search.retrievers import DenseRetriever, PointRetriever
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Collection, ModelSpec, PassageSettings

NO_PROMPT = "no query prompt"
"""The mark of a result whose model was run without the query prompt that the registry declares."""


@dataclass(frozen=True, slots=True)
class BenchmarkRequest:
    """What to evaluate. By default one vector a document and exact search, as mteb does it.

    `passages` cuts documents as the page's index does; `approximate` searches the graph instead of
    comparing with every vector. `ignore_identical_ids` passes over a document with its query's id, as is
    always done for a corpus whose source says so. `trec_files` refuses at once what cannot be kept as such.
    """

    location: CorpusLocation
    split: str
    retrievers: tuple[RetrieverName, ...]
    passages: PassageSettings | None = None
    approximate: bool = False
    ignore_identical_ids: bool = False
    trec_files: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """A test collection ready to score retrievers on, with the conditions that all of them share."""

    request: BenchmarkRequest
    collection: Collection
    rejects: Rejects
    shared: Mapping[str, Any]
    settings: Settings
    registry: Mapping[str, ModelSpec]
    _parts: dict[tuple[str, str], PointRetriever] = field(default_factory=dict)

    def score(self, name: RetrieverName, progress: Progress) -> Evaluation:
        """Retrieve for every judged query and score; vectors are made where they are not kept yet.

        Raises:
            UsageError: if no query has a relevant document.
        """
        retriever = assemble(name, lambda spec: self.part(spec, progress))
        total = len(judged_queries(self.collection.qrels))
        with progress.stage(f"Searching with {name.name}", total) as advance:
            return evaluate(
                name.name,
                retriever,
                self.collection,
                ignore_identical_ids=bool(self.shared["ignore_identical_ids"]),
                advance=advance,
            )

    def conditions(self, name: RetrieverName) -> dict[str, Any]:
        """The settings that a result of this retriever carries."""
        return {**self.shared, **retriever_conditions(name, self.registry)}

    def record(self, evaluations: Sequence[Evaluation], names: Sequence[RetrieverName]) -> dict[str, Any]:
        """The result record of these retrievers; `settings["retrievers"]` says what each has of its own."""
        of_each = {name.name: retriever_conditions(name, self.registry) for name in names}
        models = {key: spec for own in of_each.values() for key, spec in own["models"].items()}
        kept = {**self.shared, "models": models, "retrievers": of_each}
        record = result_record(self.collection, evaluations, kept, self.rejects.warnings)
        return {**record, "marks": {name.name: list(self.marks(name)) for name in names}}

    def marks(self, name: RetrieverName) -> tuple[str, ...]:
        """What has to be said wherever a score of this retriever is shown."""
        return (NO_PROMPT,) if name.without_prompt else ()

    def part(self, spec: ModelSpec, progress: Progress) -> PointRetriever:
        """The retriever of one model, over its evaluation index, with the queries' vectors kept."""
        key = (spec.name, spec.query_prompt)
        if key not in self._parts:
            self._parts[key] = self._open(spec, progress)
        return self._parts[key]

    def _open(self, spec: ModelSpec, progress: Progress) -> PointRetriever:
        folder = self.folder(spec, progress)
        searcher = Searcher(
            self.request.location.name, open_index(folder), self.registry, self.settings.cache
        )
        retriever = searcher.retriever(RetrieverName(spec.name, (spec,)), exact=not self.request.approximate)
        judged = set(judged_queries(self.collection.qrels))
        texts = [query.text for query in self.collection.queries if query.query_id in judged]
        match retriever:
            case DenseRetriever(reader, encoder, exact):
                known = remembering(encoder, texts, folder / "queries", progress)
                return DenseRetriever(reader, known, exact)
            case TokenRetriever(reader, late):
                return TokenRetriever(reader, remembering_tokens(late, texts, folder / "queries", progress))
            case _:
                return retriever

    def folder(self, spec: ModelSpec, progress: Progress) -> Path:
        """The evaluation index of this model: one a model, so that each is encoded once."""
        wanted = IndexRequest(self.request.location, (spec,), self.request.passages or WHOLE_DOCUMENTS)
        return evaluation_index(wanted, self.settings, self.registry, progress)[0]


def open_bench(
    request: BenchmarkRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> Bench:
    """Read the test collection and say what is odd about it.

    Raises:
        UsageError: if the split does not exist.
        MedsearchError: if `trec_files` and an id holds white space.
    """
    rejects = Rejects()
    collection = load_collection(request.location, request.split, rejects)
    if request.trec_files:
        check_ids(_ids(collection))
    say_what_is_odd(request.location.name, rejects, progress)
    ignore = request.ignore_identical_ids or ignores_identical_ids(request.location, settings, progress)
    shared = shared_conditions(
        request.location,
        collection,
        passages=request.passages,
        approximate=request.approximate,
        ignore_identical_ids=ignore,
    )
    return Bench(request, collection, rejects, shared | {"rejects": rejects.count}, settings, registry)


def say_what_is_odd(corpus: str, rejects: Rejects, progress: Progress) -> None:
    """Tell how many records were set aside, the first of them, and every warning."""
    if rejects.count:
        progress.say(f"{rejects.count} records of {corpus} set aside: {rejects.examples[0]}")
    for warning in rejects.warnings:
        progress.say(f"warning: {warning}")


def _ids(collection: Collection) -> list[str]:
    documents = [document.doc_id for document in collection.documents]
    judged = [name for query_id, grades in collection.qrels.items() for name in (query_id, *grades)]
    return documents + judged
