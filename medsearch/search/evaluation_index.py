"""Indexes for evaluating: in the cache, by corpus, model and passage settings, never the page's own."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from medsearch.corpora.catalogue import fingerprint
from medsearch.corpora.passages import CUTTING
from medsearch.errors import IndexRefusedError
from medsearch.index.manifest import FORMAT, MANIFEST, Manifest, read_manifest
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
        tuple(spec.of_vectors for spec in request.models),
        request.passages,
        None if whole else registry.get(request.passages.tokenizer),
        CUTTING,
        FORMAT,
        version("qdrant-edge-py"),
    )
    key = sha256(repr(parts).encode()).hexdigest()[:12]
    models = "+".join(spec.name for spec in request.models)
    return settings.cache / "evaluation" / f"{quote(request.location.name, safe='')}-{models}-{key}"


def _drop_unreadable(folder: Path) -> None:
    """Forget an index that another medsearch wrote or whose files are gone: it is simply made again.

    One that the engine cannot open stays: the disk may be full, or the user without the right to write.
    """
    if not (folder / MANIFEST).exists():
        return
    try:
        gone = not (folder / read_manifest(folder).shard).exists()
    except IndexRefusedError:
        gone = True
    if gone:
        (folder / MANIFEST).unlink(missing_ok=True)
