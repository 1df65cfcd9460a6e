"""One corpus open for searching: what the page and the command line both call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from medsearch.corpora.catalogue import find_corpus, fingerprint, quick_stamp
from medsearch.encoders.registry import load_encoder
from medsearch.errors import IndexRefusedError, UsageError
from medsearch.index.reader import IndexReader, open_index
from medsearch.protocols import Encoder
from medsearch.search.names import RetrieverName, parse_retriever
from medsearch.search.retrievers import (
    Bm25Retriever,
    DenseRetriever,
    HybridRetriever,
    PointRetriever,
    search_passages,
)
from medsearch.settings import Settings
from medsearch.types import Filter, ModelKind, ModelSpec, PassageHit


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one query: hits best first, and how long the search took (not loading a model)."""

    query: str
    retriever: str
    hits: tuple[PassageHit, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Searcher:
    """An open index with its models, each loaded at its first use. Use `open_searcher` to get one."""

    corpus: str
    reader: IndexReader
    registry: Mapping[str, ModelSpec]
    cache: Path
    _encoders: dict[str, Encoder] = field(default_factory=dict)

    def search(self, text: str, *, retriever: str, k: int = 10, where: Filter | None = None) -> Found:
        """The best `k` documents for `text`, each as its best passage.

        Raises:
            UsageError: if the query is empty, or the retriever's name or the index lacks what is asked for.
            ModelUnavailableError: if the model's weights are not on this machine.
        """
        if not text.strip():
            raise UsageError("the query is empty: type what you are looking for")
        ready = self.retriever(parse_retriever(retriever, self.registry))
        started = perf_counter()
        hits = search_passages(ready, self.reader, text.strip(), k=k, where=where)
        return Found(text.strip(), retriever, tuple(hits), perf_counter() - started)

    def retriever(self, name: RetrieverName, *, exact: bool = False) -> PointRetriever:
        """The retriever of this name over this index, its model loaded."""
        parts = tuple(self._part(spec, exact) for spec in name.models)
        return HybridRetriever(parts) if name.hybrid else parts[0]

    def retriever_names(self) -> list[str]:
        """What this index can be searched with, the recommended first: hybrids, dense models, BM25."""
        models = self.reader.manifest.plan.models
        dense = [name for name, spec in models.items() if spec.kind is ModelKind.DENSE]
        sparse = [name for name, spec in models.items() if spec.kind is ModelKind.SPARSE]
        return [*(f"hybrid:{name}" for name in dense if sparse), *dense, *sparse]

    def _part(self, spec: ModelSpec, exact: bool) -> PointRetriever:
        self.reader.check(spec)
        if spec.kind is ModelKind.SPARSE:
            return Bm25Retriever(self.reader, spec)
        if spec.name not in self._encoders:
            self._encoders[spec.name] = load_encoder(spec, cache=self.cache)
        return DenseRetriever(self.reader, self._encoders[spec.name], exact)


def index_folder(corpus: str, settings: Settings) -> Path:
    """Where the index of a corpus lives; "covid_faq/en" becomes "covid_faq--en"."""
    return settings.index / corpus.strip("/").replace("/", "--")


def open_searcher(corpus: str, settings: Settings, registry: Mapping[str, ModelSpec]) -> Searcher:
    """Open the index of a corpus.

    Raises:
        IndexRefusedError: if there is none, or the corpus has changed since it was made.
    """
    folder = index_folder(corpus, settings)
    if not (folder / "manifest.json").exists():
        raise IndexRefusedError(
            f"{corpus} has no index in {settings.index}: make it with `medsearch index {corpus}`"
        )
    reader = open_index(folder)
    _refuse_changed_corpus(corpus, reader, settings)
    return Searcher(corpus, reader, registry, settings.cache)


def indexed_corpora(settings: Settings) -> list[str]:
    """Names of the corpora that have a finished index."""
    manifests = sorted(settings.index.glob("*/manifest.json"))
    return [manifest.parent.name.replace("--", "/") for manifest in manifests]


def _refuse_changed_corpus(corpus: str, reader: IndexReader, settings: Settings) -> None:
    """An index stands on its own where its corpus is gone; beside a changed corpus it would mislead."""
    try:
        location = find_corpus(corpus, settings.data)
    except UsageError:
        return
    manifest = reader.manifest
    if quick_stamp(location) == manifest.stamp:
        return
    now = fingerprint(location)
    if now != manifest.plan.corpus_hash:
        raise IndexRefusedError(
            f"{corpus} has changed since its index was made (corpus hash {manifest.plan.corpus_hash[:12]} "
            f"in the index, {now[:12]} now): bring it up to date with `medsearch index {corpus} --rebuild`"
        )
