"""One corpus open for searching: what the page and the command line both call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from urllib.parse import quote, unquote

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, fingerprint, quick_stamp
from medsearch.corpora.locations import locate
from medsearch.encoders.registry import load_encoder
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.errors import CorpusError, IndexRefusedError, UsageError
from medsearch.index.manifest import MANIFEST, Manifest, rebuild_command
from medsearch.index.reader import IndexReader, open_index
from medsearch.protocols import Encoder, TokenEncoder
from medsearch.search.names import RERANK, RetrieverName, parse_retriever
from medsearch.search.reranking import TokenRetriever, assemble
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever, PointRetriever, search_passages
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
    _encoders: dict[tuple[str, str], Encoder] = field(default_factory=dict)
    _token_encoders: dict[tuple[str, str], TokenEncoder] = field(default_factory=dict)

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
        """The retriever of this name over this index, its models loaded."""
        return assemble(name, lambda spec: self._part(spec, exact))

    def retriever_names(self) -> list[str]:
        """What this index can be searched with, the recommended first: hybrids, dense models, BM25."""
        models = self.reader.manifest.plan.models
        dense = [name for name, spec in models.items() if spec.kind is ModelKind.DENSE]
        sparse = [name for name, spec in models.items() if spec.kind is ModelKind.SPARSE]
        return [*(f"hybrid:{name}" for name in dense if sparse), *dense, *sparse] or self.late_names()

    def late_names(self) -> list[str]:
        """What late-interaction models of this index do: rerank the best other, and search alone."""
        models = self.reader.manifest.plan.models
        late = [name for name, spec in models.items() if spec.kind is ModelKind.LATE_INTERACTION]
        best = self.retriever_names()[:1] if len(late) < len(models) else []
        return [*(f"{RERANK}{name}:{first}" for name in late for first in best), *late]

    def every_name(self) -> list[str]:
        """All that this index can be searched with: `retriever_names`, then `late_names`."""
        return list(dict.fromkeys([*self.retriever_names(), *self.late_names()]))

    def _part(self, spec: ModelSpec, exact: bool) -> PointRetriever:
        self.reader.check(spec)
        if spec.kind is ModelKind.SPARSE:
            return Bm25Retriever(self.reader, spec)
        key = spec.name, spec.query_prompt  # a model with and without its prompt is two
        if spec.kind is ModelKind.LATE_INTERACTION:
            if key not in self._token_encoders:
                self._token_encoders[key] = load_token_encoder(spec, cache=self.cache)
            return TokenRetriever(self.reader, self._token_encoders[key])
        if key not in self._encoders:
            self._encoders[key] = load_encoder(spec, cache=self.cache)
        return DenseRetriever(self.reader, self._encoders[key], exact)


def index_folder(corpus: str, settings: Settings) -> Path:
    """Where the index of a corpus lives; "covid_faq/en" becomes "covid_faq%2Fen"."""
    return settings.index / quote(corpus.strip("/"), safe="")


def indexed_corpora(settings: Settings) -> list[str]:
    """Names of the corpora that have a finished index."""
    return sorted(unquote(manifest.parent.name) for manifest in settings.index.glob("*/manifest.json"))


def open_searcher(corpus: str, settings: Settings, registry: Mapping[str, ModelSpec]) -> Searcher:
    """Open the index of a corpus, by its name or its path.

    Raises:
        UsageError: if there is neither an index nor a corpus of this name.
        IndexRefusedError: if it has no index, or has changed since its index was made.
    """
    location = _find(corpus, settings)
    name = location.name if location else corpus
    folder = index_folder(name, settings)
    if not (folder / MANIFEST).exists():
        if location is None:
            find_corpus(corpus, settings.data)  # says which names there are
        raise IndexRefusedError(
            f"{name} has no index in {settings.index}: make it with `medsearch index {corpus}`"
        )
    reader = open_index(folder)
    check_current(corpus, reader.manifest, settings)
    return Searcher(name, reader, registry, settings.cache)


def check_current(corpus: str, manifest: Manifest, settings: Settings) -> None:
    """Refuse an index whose corpus has changed; where the corpus is gone, the index stands on its own.

    Raises:
        IndexRefusedError: naming both hashes and the command that makes the index again.
    """
    with suppress(OSError):  # a corpus that cannot be read is as good as gone
        _refuse_changed_corpus(manifest, _find(corpus, settings))


def _find(corpus: str, settings: Settings) -> CorpusLocation | None:
    try:
        return find_corpus(corpus, settings.data)
    except (UsageError, CorpusError):
        return None


def _refuse_changed_corpus(manifest: Manifest, found: CorpusLocation | None) -> None:
    location = found or locate(manifest.plan.corpus, Path(manifest.path))
    if location is None or quick_stamp(location) == manifest.stamp:
        return
    now = fingerprint(location)
    if now != manifest.plan.corpus_hash:
        raise IndexRefusedError(
            f"{manifest.plan.corpus} has changed since its index was made (corpus hash "
            f"{manifest.plan.corpus_hash[:12]} in the index, {now[:12]} in {location.path}): "
            f"bring it up to date with `{rebuild_command(manifest.plan)}`"
        )
