"""From a corpus by name to its index: reads, cuts, encodes and writes, going on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.corpora.catalogue import CorpusLocation, fingerprint, quick_stamp, read_documents
from medsearch.corpora.estimate import estimate_documents
from medsearch.corpora.passages import (
    TokenCounter,
    check_settings,
    passage_text,
    split_documents,
)
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import find_model, load_encoder
from medsearch.encoders.tokens import token_counter
from medsearch.index.build import Material, build_index
from medsearch.index.manifest import Manifest, Plan
from medsearch.protocols import Encoder, Progress
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, Passage, PassageSettings

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
    location = request.location
    plan = Plan(
        corpus=location.name,
        corpus_hash=fingerprint(location),
        passages=request.passages,
        models={spec.name: spec for spec in request.models},
    )
    folder.mkdir(parents=True, exist_ok=True)
    cutter = _Cutter(request, folder / REJECTS, registry)

    def encoder(name: str) -> Encoder:
        return load_encoder(registry[name], cache=settings.cache)

    material = Material(
        passages=cutter.passages,
        documents=lambda: estimate_documents(location),
        rejects=lambda: cutter.rejected,
        is_long=cutter.is_long,
        text=passage_text,
        encoder=encoder,
        stamp=quick_stamp(location),
    )
    return build_index(folder, plan, material, progress, rebuild=request.rebuild)


class _Cutter:
    """Cuts the corpus once, remembering how many records were set aside."""

    def __init__(self, request: IndexRequest, rejects: Path, registry: Mapping[str, ModelSpec]) -> None:
        self._request = request
        self._file = rejects
        self._registry = registry
        self._count: TokenCounter = _no_tokens
        self.rejected = 0

    def passages(self) -> Iterator[Passage]:
        settings = self._request.passages
        if settings != WHOLE_DOCUMENTS:
            self._count = token_counter(find_model(settings.tokenizer, self._registry))
        rejects = Rejects(self._file, strict=self._request.strict)
        yield from split_documents(read_documents(self._request.location, rejects), settings, self._count)
        self.rejected = rejects.count

    def is_long(self, passage: Passage) -> bool:
        settings = self._request.passages
        # A token is at least one character, so most passages need no counting a second time.
        if settings == WHOLE_DOCUMENTS or len(passage.text) <= settings.max_tokens:
            return False
        return self._count([passage.text])[0] > settings.max_tokens


def _no_tokens(texts: Sequence[str]) -> list[int]:
    """Whole documents are not counted."""
    return [0] * len(texts)
