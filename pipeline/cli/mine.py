"""`python -m pipeline mine`: find hard negatives, and divide rows into train and dev."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import TerminalProgress
from pipeline.cli.stage import add_recipe_argument, add_run_arguments, existing_run, show_yield
from pipeline.mine import mine_run
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mine`."""
    add_run_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Mine, and say what came of it."""
    settings = PipelineSettings.from_environment()
    folder = existing_run(arguments.run, settings)
    with folder.held():
        recipe = folder.recipe_with("mine", arguments.recipe)
        total = mine_run(folder, recipe, settings.search, TerminalProgress(), restart=arguments.restart)
    show_yield("mine", folder, total, ("pairs", "triplets"), as_json=arguments.json)
    return 0
