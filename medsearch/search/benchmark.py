"""Evaluates retrievers by name on a test collection: as mteb does by default, or as the page searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import Evaluation, evaluate, result_record
from medsearch.evaluation.measures import judged_queries
from medsearch.evaluation.trec import check_ids
from medsearch.index.manifest import Manifest
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.identical_ids import ignores_identical_ids
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import RetrieverName
from medsearch.search.retrievers import HybridRetriever, PointRetriever
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Collection, ModelSpec, PassageSettings


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


def run_benchmark(
    request: BenchmarkRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> tuple[dict[str, Any], list[Evaluation]]:
    """Evaluate each retriever; returns the result record and the evaluations with their runs.

    Vectors are kept, so that a second evaluation of the same model and corpus only searches.

    Raises:
        UsageError: if the split does not exist, or none of its queries has a relevant document.
        MedsearchError: if `trec_files` and an id holds white space.
    """
    rejects = Rejects()
    collection = load_collection(request.location, request.split, rejects)
    if request.trec_files:
        check_ids(_ids(collection))
    say_what_is_odd(request.location.name, rejects, progress)
    ignore = request.ignore_identical_ids or ignores_identical_ids(request.location, settings, progress)
    total = len(judged_queries(collection.qrels))
    evaluations: list[Evaluation] = []
    open_parts: dict[str, _Part] = {}
    for spec in {spec.name: spec for name in request.retrievers for spec in name.models}.values():
        open_parts[spec.name] = _open_part(spec, request, settings, registry, progress)
    for name in request.retrievers:
        parts = tuple(open_parts[spec.name].retriever for spec in name.models)
        retriever = HybridRetriever(parts) if name.hybrid else parts[0]
        with progress.stage(f"Searching with {name.name}", total) as advance:
            scored = evaluate(name.name, retriever, collection, ignore_identical_ids=ignore, advance=advance)
        evaluations.append(scored)
    manifests = [part.manifest for part in open_parts.values()]
    kept = _settings_of(request, manifests) | {"ignore_identical_ids": ignore, "rejects": rejects.count}
    return result_record(collection, evaluations, kept, rejects.warnings), evaluations


def say_what_is_odd(corpus: str, rejects: Rejects, progress: Progress) -> None:
    """Tell how many records were set aside, the first of them, and every warning."""
    if rejects.count:
        progress.say(f"{rejects.count} records of {corpus} set aside: {rejects.examples[0]}")
    for warning in rejects.warnings:
        progress.say(f"warning: {warning}")


@dataclass(frozen=True, slots=True)
class _Part:
    """One model over its index."""

    retriever: PointRetriever
    manifest: Manifest


def _open_part(
    spec: ModelSpec,
    request: BenchmarkRequest,
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    progress: Progress,
) -> _Part:
    """The index of this model, made where it is missing: one a model, so that each is encoded once."""
    wanted = IndexRequest(request.location, (spec,), request.passages or WHOLE_DOCUMENTS)
    folder, manifest = evaluation_index(wanted, settings, registry, progress)
    searcher = Searcher(request.location.name, open_index(folder), registry, settings.cache)
    name = RetrieverName(spec.name, (spec,))
    return _Part(searcher.retriever(name, exact=not request.approximate), manifest)


def _ids(collection: Collection) -> list[str]:
    documents = [document.doc_id for document in collection.documents]
    judged = [name for query_id, grades in collection.qrels.items() for name in (query_id, *grades)]
    return documents + judged


def _settings_of(request: BenchmarkRequest, manifests: list[Manifest]) -> dict[str, Any]:
    first = manifests[0]
    return {
        "passages": "whole documents" if request.passages is None else asdict(request.passages),
        "search": "approximate" if request.approximate else "exact",
        "backend": "onnx",
        "engine": first.engine,
        "corpus_hash": first.plan.corpus_hash,
        "models": {
            name: {**asdict(spec), "parameters": dict(spec.parameters)}
            for manifest in manifests
            for name, spec in manifest.plan.models.items()
        },
    }
