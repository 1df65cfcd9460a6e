"""`python -m pipeline filter`: keep the generated queries that their passages answer."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import TerminalProgress
from pipeline.cli.stage import add_recipe_argument, add_run_arguments, existing_run, show_yield
from pipeline.filter import filter_run
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `filter`."""
    add_run_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Filter, and say what came of it."""
    settings = PipelineSettings.from_environment()
    folder = existing_run(arguments.run, settings)
    with folder.held():
        recipe = folder.recipe_with("filter", arguments.recipe)
        total = filter_run(folder, recipe, settings.search, TerminalProgress(), restart=arguments.restart)
    show_yield("filter", folder, total, ("queries", "queries kept"), as_json=arguments.json)
    return 0
