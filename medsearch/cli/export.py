"""`medsearch export`: put a model's ONNX export in the cache, or a copy of it in a folder."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from medsearch.cli.terminal import show_json
from medsearch.encoders.onnx_cache import ready_export
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.types import ModelKind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("model", metavar="MODEL", help="a dense model of the registry")
    parser.add_argument("--out", type=Path, metavar="DIR", help="copy the export to this new folder")


def run(arguments: argparse.Namespace) -> int:
    """Export, and say where to."""
    settings = Settings.from_environment()
    spec = find_model(arguments.model, load_registry(settings.models, cache=settings.cache))
    if spec.kind is not ModelKind.DENSE:
        raise UsageError(f"{spec.name} is {spec.kind}: only dense models are exported")
    if arguments.out and arguments.out.exists():
        raise UsageError(f"{arguments.out} exists: name a new folder, so that nothing is overwritten")
    folder = ready_export(spec, cache=settings.cache)
    if arguments.out:
        folder = Path(shutil.copytree(folder, arguments.out))
    if arguments.json:
        show_json({"model": spec.name, "folder": str(folder)})
    else:
        print(f"{spec.name} is exported to {folder}")
    return 0
