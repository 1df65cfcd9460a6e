"""`medsearch card`: a model card in Markdown, filled from results and provenance."""

from __future__ import annotations

import argparse
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, clean, show_json
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import PRIMARY
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.workbench.cards.model_card import CardRequest, model_card
from medsearch.workbench.comparison.versus import Terms


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `card`."""
    parser.add_argument(
        "model", metavar="MODEL",
        help="a model of the registry, by name; or rerank:LATE:FIRST, whose results speak of LATE",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=Path, required=True, metavar="DIR",
        help="results, as `evaluate --out DIR` keeps them",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the card there (default: print it)")
    parser.add_argument("--measure", default=PRIMARY, choices=MEASURES, help=f"(default: {PRIMARY})")


def run(arguments: argparse.Namespace) -> int:
    """Make the card; print it or write it."""
    out: Path | None = arguments.out
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: name a file in a folder that is there")
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    asked = parse_retriever(arguments.model, registry)
    if asked.hybrid or asked.without_prompt:
        raise UsageError(f"{asked.name}: a card is of one model: name it alone, or as rerank:LATE:FIRST")
    card = model_card(
        CardRequest(
            spec=asked.models[0],
            folder=arguments.results,
            registry=registry,
            terms=Terms(measure=arguments.measure, registry=tuple(registry.values())),
            looks=settings.looks,
            retriever=asked.name,
        )
    )
    if out is not None:
        out.write_text(card, encoding="utf-8")
        TerminalProgress().say(f"wrote {out}")
    if arguments.json:
        show_json({"model": arguments.model, "card": card, "out": None if out is None else str(out)})
    elif out is None:
        print(clean(card, one_line=False))
    return 0
