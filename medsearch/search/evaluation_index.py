"""Indexes for evaluating: in the cache, by corpus, model and passage settings, never the page's own."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from medsearch.corpora.catalogue import fingerprint
from medsearch.corpora.passages import CUTTING
from medsearch.errors import IndexRefusedError
from medsearch.index.manifest import FORMAT, MANIFEST, Manifest
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec


def evaluation_index(
    request: IndexRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> tuple[Path, Manifest]:
    """The folder and manifest of the request's index, made where it is missing or cannot be read.

    All that determines the content is in the folder's name, so that what changed never meets old vectors.

    Raises:
        IndexRefusedError: if another process is making it.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    folder = evaluation_folder(request, settings, registry)
    _drop_unreadable(folder)
    return folder, index_corpus(request, folder, settings, registry, progress)


def evaluation_folder(request: IndexRequest, settings: Settings, registry: Mapping[str, ModelSpec]) -> Path:
    """`CACHE/evaluation/CORPUS-MODELS-KEY`; the key is over all that determines the index's content."""
    whole = request.passages == WHOLE_DOCUMENTS
    parts = (
        request.location.name,
        fingerprint(request.location),
        tuple(request.models),
        request.passages,
        None if whole else registry.get(request.passages.tokenizer),
        CUTTING,
        FORMAT,
    )
    key = sha256(repr(parts).encode()).hexdigest()[:12]
    models = "+".join(spec.name for spec in request.models)
    return settings.cache / "evaluation" / f"{quote(request.location.name, safe='')}-{models}-{key}"


def _drop_unreadable(folder: Path) -> None:
    """Forget an index of another medsearch, or a damaged one: in a cache it is simply made again."""
    if not (folder / MANIFEST).exists():
        return
    try:
        open_index(folder).close()
    except IndexRefusedError:
        (folder / MANIFEST).unlink(missing_ok=True)
