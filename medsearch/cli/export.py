"""`medsearch export`: put a model's ONNX export in the cache; or a copy, or the whole model, in a folder."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from medsearch.cli.terminal import show_json
from medsearch.encoders.model_folder import write_model_folder
from medsearch.encoders.onnx_cache import ready_export
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("model", metavar="MODEL", help="a model of the registry, dense without --whole")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="DIR", help="copy the export to this new folder")
    where.add_argument(
        "--whole",
        type=Path,
        metavar="DIR",
        help="write the whole model to this new folder, an adapter merged with its base: "
        "sentence-transformers loads it, and a dense one mteb and fastembed too",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, and say where to."""
    settings = Settings.from_environment()
    spec = find_model(arguments.model, load_registry(settings.models, cache=settings.cache))
    folder = _written(spec, arguments.out, arguments.whole, settings.cache)
    if arguments.json:
        show_json({"model": spec.name, "folder": str(folder)})
    else:
        print(f"{spec.name} is exported to {folder}")
    return 0


def _written(spec: ModelSpec, out: Path | None, whole: Path | None, cache: Path) -> Path:
    if whole:
        write_model_folder(spec, whole, cache=cache)
        return whole
    if spec.kind is not ModelKind.DENSE:
        raise UsageError(f"{spec.name} is {spec.kind}: only dense models are exported")
    if out and out.exists():
        raise UsageError(f"{out} exists: name a new folder, so that nothing is overwritten")
    folder = ready_export(spec, cache=cache)
    return Path(shutil.copytree(folder, out)) if out else folder
