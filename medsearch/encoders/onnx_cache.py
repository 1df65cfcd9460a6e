"""The cache of ONNX exports: one folder a model, made once, by a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from medsearch.encoders.export import EXPORT_VERSION
from medsearch.encoders.merged import readable_key, ready_weights, weights_key
from medsearch.encoders.verify import FILES_MARK
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

_TOOLS = ("torch", "transformers", "sentence_transformers", "onnx", "onnxscript")


def export_key(spec: ModelSpec, *, cache: Path) -> str:
    """Name the export by the model and a hash of all that it depends on: weights, length, export version.

    Of a folder that is pinned also its other files, such as the tokenizer; see also `weights_key`.
    """
    parts: list[object] = [spec.source, *weights_key(spec, cache=cache), spec.max_tokens, EXPORT_VERSION]
    if spec.source.startswith("path:") and FILES_MARK in spec.revision:
        parts.append(spec.revision.partition(FILES_MARK)[2])
    return readable_key(spec, parts)


def ready_export(spec: ModelSpec, *, cache: Path) -> Path:
    """Return the folder of a model's ONNX export, with its tokenizer; make it if the cache has none.

    Raises:
        ModelUnavailableError: The weights are missing or not the pinned ones, torch is not installed, or the
            export fails.
    """
    folder = cache / "onnx" / export_key(spec, cache=cache)
    return made_once(folder, lambda draft: _export(spec, draft, cache))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`; where it is not there, `make` writes a draft of it, by one process at a time."""
    if folder.is_dir():
        return folder
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            draft = folder.with_name(f"{folder.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)  # of an export that was stopped
            make(draft)
            draft.rename(folder)
    return folder


def _export(spec: ModelSpec, draft: Path, cache: Path) -> None:
    weights = ready_weights(spec, cache=cache)
    seconds = _expected_seconds(weights / "model.safetensors")
    export_apart(spec, "medsearch.encoders.export", weights, draft, f"about {seconds} seconds")


def export_apart(spec: ModelSpec, module: str, weights: Path, draft: Path, time: str) -> None:
    """Export by `module` in a process of its own, so that this one never imports torch.

    Raises:
        ModelUnavailableError: What it needs is not installed, or it fails.
    """
    missing = [name for name in _TOOLS if find_spec(name) is None]
    if missing:
        raise ModelUnavailableError(
            f"model {spec.name!r} must first be exported to ONNX, which needs {', '.join(missing)};"
            " run `pip install 'medsearch[export]'`, or copy the cache from a machine that has the export"
        )
    print(f"exporting {spec.name} to ONNX, once; {time} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", module, str(weights), str(draft), str(spec.max_tokens)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelUnavailableError(f"model {spec.name!r}: the export to ONNX failed ({reason})")


def _expected_seconds(weights: Path) -> int:
    """Measured with two cores: 12 s for 91 MB, 28 s for 438 MB, 67 s for 1.34 GB."""
    return round(10 + 5 * weights.stat().st_size / 100e6)
