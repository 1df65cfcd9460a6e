"""From a corpus by name to its index: reads, cuts, encodes and writes, going on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.corpora.catalogue import CorpusLocation, fingerprint, quick_stamp, read_documents
from medsearch.corpora.estimate import estimate_documents
from medsearch.corpora.passages import (
    CUTTING,
    TokenCounter,
    check_settings,
    passage_text,
    split_documents,
)
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import find_model, load_encoder
from medsearch.encoders.token_folder import pooling_factor
from medsearch.encoders.token_pooling import check_pooling
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.encoders.tokens import token_counter
from medsearch.index.assemble import Source
from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.build import CutReport, Material, build_index
from medsearch.index.manifest import Manifest, Plan
from medsearch.protocols import Encoder, Progress, TokenEncoder
from medsearch.search.cut_passages import CutCounter, counting_cut
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelKind, ModelSpec, Passage, PassageSettings

REJECTS = "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What to index and how. `strict` stops at the first bad record; `rebuild` replaces other settings."""

    location: CorpusLocation
    models: Sequence[ModelSpec]
    passages: PassageSettings
    strict: bool = False
    rebuild: bool = False


def index_corpus(
    request: IndexRequest,
    folder: Path,
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    progress: Progress,
) -> Manifest:
    """Bring the index in `folder` up to date with the request.

    Bad records are set aside in `rejects.jsonl` beside the index, each with its place and reason.

    Raises:
        CorpusError: if `strict` and a record is bad, or the corpus cannot be read at all.
        IndexRefusedError: if a finished index was made with other settings, or is being written.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    check_settings(request.passages)
    _check_bm25(request.models)
    location = request.location
    plan = Plan(
        corpus=location.name,
        corpus_hash=fingerprint(location),
        passages=request.passages,
        models={spec.name: spec for spec in request.models},
        cutting=CUTTING,
    )
    folder.mkdir(parents=True, exist_ok=True)
    cutter = _Cutter(request, folder / REJECTS, registry)

    counters: list[CutCounter] = []

    def encoder(name: str) -> Encoder | TokenEncoder:
        spec = plan.models[name]
        if spec.kind is not ModelKind.LATE_INTERACTION:
            return load_encoder(spec, cache=settings.cache)
        check_pooling(spec.name, pooling_factor(spec))  # now, not after hours of cutting
        late = load_token_encoder(spec, cache=settings.cache)
        counting = None if request.passages == WHOLE_DOCUMENTS else counting_cut(late)
        counters.extend([counting] if counting else [])
        return counting or late

    material = Material(
        passages=cutter.passages,
        documents=lambda: estimate_documents(location),
        cut=lambda: cutter.report,
        text=passage_text,
        encoder=encoder,
        source=Source(str(location.path.absolute()), quick_stamp(location)),
    )
    manifest = build_index(folder, plan, material, progress, rebuild=request.rebuild)
    for counter in counters:
        counter.tell(progress)
    return manifest


def _check_bm25(models: Sequence[ModelSpec]) -> None:
    """Refuse bad parameters before any work is done."""
    for spec in models:
        if spec.kind is ModelKind.SPARSE:
            Bm25Encoder(spec, 1.0)


class _Cutter:
    """Cuts the corpus, remembering what was set aside and how many sentences are over the limit."""

    def __init__(self, request: IndexRequest, rejects: Path, registry: Mapping[str, ModelSpec]) -> None:
        self._request = request
        self._file = rejects
        self._registry = registry
        self.report = CutReport(0, 0)

    def passages(self) -> Iterator[Passage]:
        settings = self._request.passages
        rejects = Rejects(self._file, strict=self._request.strict)
        count = _no_tokens if settings == WHOLE_DOCUMENTS else self._counter(settings)
        over = 0

        def count_and_watch(texts: Sequence[str]) -> list[int]:
            # Each sentence is counted once, and one over the limit is a passage of its own.
            nonlocal over
            counts = count(texts)
            over += sum(tokens > settings.max_tokens for tokens in counts)
            return counts

        documents = read_documents(self._request.location, rejects)
        yield from split_documents(documents, settings, count_and_watch)
        self.report = CutReport(rejects.count, over, tuple(rejects.warnings))

    def _counter(self, settings: PassageSettings) -> TokenCounter:
        return token_counter(find_model(settings.tokenizer, self._registry))


def _no_tokens(texts: Sequence[str]) -> list[int]:
    """Whole documents are not counted."""
    return [0] * len(texts)
