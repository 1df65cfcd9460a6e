"""The cache of late-interaction exports: one folder a model, made once, by a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from medsearch.encoders.merged import readable_key
from medsearch.encoders.token_export import TOKEN_EXPORT_VERSION
from medsearch.encoders.token_folder import verify_token_model
from medsearch.encoders.verify import FILES_MARK, files_digest, verify_pins, weights_digest
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

_TOOLS = ("torch", "sentence_transformers", "onnx", "onnxscript")


def token_export_key(spec: ModelSpec, *, cache: Path) -> str:
    """Name the export by the model and a hash of all that it depends on.

    That is its weights, its other files (its projection among them), its length and the export's version. A
    hub's commit, and a folder's pins where it has both, stand for all files, which then need not be on this
    machine.

    Raises:
        ModelUnavailableError: The weights are missing, or are not the pinned ones.
    """
    content = _content(spec, cache)
    parts: list[object] = ["tokens", spec.source, content, spec.max_tokens, TOKEN_EXPORT_VERSION]
    return readable_key(spec, parts)


def _content(spec: ModelSpec, cache: Path) -> list[str]:
    """What the files are known by; those that are there must be the pinned ones."""
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
    if folder.is_dir():
        return folder
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _export(spec, folder, cache)
    return folder


def _export(spec: ModelSpec, folder: Path, cache: Path) -> None:
    weights = locate_weights(spec)
    verify_token_model(spec, weights, cache=cache)
    missing = [name for name in _TOOLS if find_spec(name) is None]
    if missing:
        raise ModelUnavailableError(
            f"model {spec.name!r} must first be exported to ONNX, which needs {', '.join(missing)};"
            " run `pip install 'medsearch[export]'`, or copy the cache from a machine that has the export"
        )
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of an export that was stopped
    print(f"exporting {spec.name} to ONNX, once; half a minute or more ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "medsearch.encoders.token_export"]
    done = subprocess.run(
        [*command, str(weights), str(draft), str(spec.max_tokens)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelUnavailableError(f"model {spec.name!r}: the export to ONNX failed ({reason})")
    verify_pins(spec, weights, cache=cache)  # the folder may have been written while it was read
    draft.rename(folder)
