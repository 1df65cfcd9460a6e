"""`medsearch models`: the registry, and which of its models are usable here."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from medsearch.cli.terminal import show_json, show_table
from medsearch.encoders.registry import load_registry
from medsearch.encoders.token_folder import check_format, check_token_folder, pooling_factor
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.search.names import BM25, RERANK
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `models`."""
    parser.add_argument("--details", action="store_true", help="prompts, revisions and sources too")


def run(arguments: argparse.Namespace) -> int:
    """List the models."""
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    if arguments.json:
        show_json({"models": [_record(spec) for spec in registry.values()]})
        return 0
    show_table(
        [
            [
                spec.name,
                spec.kind,
                _dimensions(spec),
                spec.max_tokens or "",
                spec.pooling,
                spec.licence,
                "yes" if on_this_machine(spec) else "no",
            ]
            for spec in registry.values()
        ],
        ["model", "kind", "dim", "max tokens", "pooling", "licence", "on this machine"],
    )
    if arguments.details:
        for spec in registry.values():
            print(f"\n{spec.name}\n  source    {spec.source}\n  revision  {spec.revision}")
            print(f"  query prompt     {spec.query_prompt or '(none)'}")
            print(f"  document prompt  {spec.document_prompt or '(none)'}")
            if spec.kind is ModelKind.LATE_INTERACTION:
                print(f"  token pooling    {_pooling(spec)}")
                print(f"  search with      {spec.name} or {RERANK}{spec.name}:FIRST, such as FIRST = {BM25}")
    return 0


def _dimensions(spec: ModelSpec) -> str:
    if spec.kind is ModelKind.LATE_INTERACTION:
        return f"{spec.dim} a token"
    return str(spec.dim or "")


def _pooling(spec: ModelSpec) -> str:
    try:
        factor = pooling_factor(spec)
    except UsageError as error:
        return str(error)
    return "(none)" if factor == 1 else f"about one vector for {factor:g} tokens of a document"


def _record(spec: ModelSpec) -> dict[str, Any]:
    return {**asdict(spec), "parameters": dict(spec.parameters), "on_this_machine": on_this_machine(spec)}


def on_this_machine(spec: ModelSpec) -> bool:
    """Whether the model can be loaded without the network."""
    if spec.kind is ModelKind.SPARSE:
        return True
    try:
        if spec.kind is ModelKind.LATE_INTERACTION:
            check_format(spec)
        folder = locate_weights(spec, offline=True)
        if spec.kind is ModelKind.LATE_INTERACTION:
            check_token_folder(spec, folder)
    except (ModelUnavailableError, OSError):
        return False
    return True
