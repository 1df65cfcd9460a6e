"""The cache of late-interaction exports: one folder a model, made once, by a process of its own."""

from __future__ import annotations

from pathlib import Path

from medsearch.encoders.adapters import is_adapter
from medsearch.encoders.merged import readable_key, ready_weights, weights_key
from medsearch.encoders.onnx_cache import export_apart, made_once
from medsearch.encoders.token_export import TOKEN_EXPORT_VERSION
from medsearch.encoders.verify import FILES_MARK, files_digest, verify_pins, weights_digest
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec


def token_export_key(spec: ModelSpec, *, cache: Path) -> str:
    """Name the export by the model and a hash of all that it depends on.

    That is its weights, its other files (its projection among them), its length and the export's version. A
    hub's commit, and a folder's pins where it has both, stand for all files, which then need not be on this
    machine. An adapter is known by its own files and by its base's weights: see `weights_key`.

    Raises:
        ModelUnavailableError: The weights are missing, or are not the pinned ones.
    """
    content = _content(spec, cache)
    parts: list[object] = ["tokens", spec.source, content, spec.max_tokens, TOKEN_EXPORT_VERSION]
    return readable_key(spec, parts)


def _content(spec: ModelSpec, cache: Path) -> list[str]:
    """What the files are known by; those that are there must be the pinned ones."""
    if is_adapter(spec):
        return [*weights_key(spec, cache=cache)]
    if spec.source.startswith("hub:"):
        return [spec.revision]
    pins = [spec.sha256, spec.revision.partition(FILES_MARK)[2]]
    try:
        folder = locate_weights(spec)
    except ModelUnavailableError:
        if all(pins):
            return pins
        raise
    verify_pins(spec, folder, cache=cache)
    return [weights_digest(folder, cache=cache), files_digest(folder)]


def ready_token_export(spec: ModelSpec, *, cache: Path) -> Path:
    """Return the folder of a model's export; make it if the cache has none.

    Raises:
        ModelUnavailableError: The weights are missing, not the pinned ones, or of a form that cannot be run,
            or torch is not installed, or the export fails.
    """
    folder = cache / "onnx" / token_export_key(spec, cache=cache)
    return made_once(folder, lambda draft: _export(spec, draft, cache))


def _export(spec: ModelSpec, draft: Path, cache: Path) -> None:
    weights = ready_weights(spec, cache=cache)
    export_apart(spec, "medsearch.encoders.token_export", weights, draft, "half a minute or more")
    if not is_adapter(spec):
        verify_pins(spec, weights, cache=cache)  # the folder may have been written while it was read
