"""`medsearch compare`: is one retriever really better than another, and is it fair to say so?"""

from __future__ import annotations

import argparse
from pathlib import Path

from medsearch.cli.compare_tables import print_comparison
from medsearch.cli.terminal import show_json
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import PRIMARY
from medsearch.settings import Settings
from medsearch.workbench.comparison.compare import CompareRequest, compare
from medsearch.workbench.comparison.record import compare_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="results, as `evaluate --out DIR` keeps them"
    )
    parser.add_argument("--a", required=True, metavar="RETRIEVER", help="the one to compare with")
    parser.add_argument("--b", required=True, metavar="RETRIEVER", help="the one that is judged")
    parser.add_argument("--measure", default=PRIMARY, choices=MEASURES, help=f"(default: {PRIMARY})")
    parser.add_argument(
        "--tasks", metavar="NAMES", help="only these, comma-separated (default: all in common)"
    )
    parser.add_argument(
        "--with-and-without-prompt", action="store_true",
        help="also show what the query prompts of A and B are worth",
    )  # fmt: skip
    parser.add_argument(
        "--unchecked", action="store_true",
        help="compare also results that do not say how they were made, and mark them",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print tables or JSON."""
    tasks = () if arguments.tasks is None else _names(arguments.tasks)
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    compared = compare(
        CompareRequest(
            folder=arguments.folder,
            a=arguments.a,
            b=arguments.b,
            measure=arguments.measure,
            tasks=tasks,
            prompts=arguments.with_and_without_prompt,
            unchecked=arguments.unchecked,
            looks=settings.looks,
            registry=tuple(registry.values()),
        )
    )
    if arguments.json:
        show_json(compare_record(compared))
    else:
        print_comparison(compared)
    return 0


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UsageError("--tasks names none: leave it out for all that both retrievers have")
    return names
