"""`python -m pipeline filter`: keep the generated queries that their passages answer."""

from __future__ import annotations

import argparse

from pipeline.cli.stage import add_recipe_argument, add_run_arguments, run_derived
from pipeline.filter import filter_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `filter`."""
    add_run_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Filter, and say what came of it."""
    return run_derived(arguments, "filter", filter_run, ("queries", "queries kept"))
