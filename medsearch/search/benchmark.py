"""Evaluates retrievers by name on a test collection: as mteb does by default, or as the page searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, fingerprint, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import Evaluation, evaluate, result_record
from medsearch.evaluation.measures import judged_queries
from medsearch.index.manifest import Manifest
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import RetrieverName
from medsearch.search.retrievers import HybridRetriever, PointRetriever
from medsearch.search.searcher import Searcher, index_folder
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, PassageSettings


@dataclass(frozen=True, slots=True)
class BenchmarkRequest:
    """What to evaluate. By default one vector a document and exact search, as mteb does it.

    `passages` cuts documents as the page's index does; `approximate` searches the graph instead of
    comparing with every vector.
    """

    location: CorpusLocation
    split: str
    retrievers: tuple[RetrieverName, ...]
    passages: PassageSettings | None = None
    approximate: bool = False


def run_benchmark(
    request: BenchmarkRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> tuple[dict[str, Any], list[Evaluation]]:
    """Evaluate each retriever; returns the result record and the evaluations with their runs.

    Vectors are kept, so that a second evaluation of the same model and corpus only searches.

    Raises:
        UsageError: if the split does not exist, or none of its queries has a relevant document.
    """
    rejects = Rejects()
    collection = load_collection(request.location, request.split, rejects)
    if rejects.count:
        progress.say(f"{rejects.count} records of {request.location.name} set aside: {rejects.examples[0]}")
    total = len(judged_queries(collection.qrels))
    evaluations: list[Evaluation] = []
    open_parts: dict[str, _Part] = {}
    for name in request.retrievers:
        for spec in name.models:
            if spec.name not in open_parts:
                open_parts[spec.name] = _open_part(spec, request, settings, registry, progress)
        parts = tuple(open_parts[spec.name].retriever for spec in name.models)
        retriever = HybridRetriever(parts) if name.hybrid else parts[0]
        with progress.stage(f"Searching with {name.name}", total) as advance:
            evaluations.append(evaluate(name.name, retriever, collection, advance=advance))
    manifests = [part.manifest for part in open_parts.values()]
    record = result_record(collection, evaluations, _settings_of(request, manifests, rejects.count))
    return record, evaluations


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
    if request.passages is None:
        folder, passages = _whole_document_folder(spec, request.location, settings), WHOLE_DOCUMENTS
    else:
        folder, passages = index_folder(request.location.name, settings), request.passages
    wanted = IndexRequest(request.location, (spec,), passages)
    manifest = index_corpus(wanted, folder, settings, registry, progress)
    searcher = Searcher(request.location.name, open_index(folder), registry, settings.cache)
    name = RetrieverName(spec.name, (spec,))
    return _Part(searcher.retriever(name, exact=not request.approximate), manifest)


def _whole_document_folder(spec: ModelSpec, location: CorpusLocation, settings: Settings) -> Path:
    """One folder a corpus and model spec: a changed spec never meets an index made with the old one."""
    key = sha256(f"{fingerprint(location)}\n{spec!r}".encode()).hexdigest()[:12]
    return settings.cache / "evaluation" / f"{location.name.replace('/', '--')}-{spec.name}-{key}"


def _settings_of(request: BenchmarkRequest, manifests: list[Manifest], rejects: int) -> dict[str, Any]:
    first = manifests[0]
    return {
        "passages": "whole documents" if request.passages is None else asdict(request.passages),
        "search": "approximate" if request.approximate else "exact",
        "backend": "onnx",
        "engine": first.engine,
        "corpus_hash": first.plan.corpus_hash,
        "rejects": rejects,
        "models": {
            name: {**asdict(spec), "parameters": dict(spec.parameters)}
            for manifest in manifests
            for name, spec in manifest.plan.models.items()
        },
    }
