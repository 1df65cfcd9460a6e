"""`python -m pipeline crop`: cut training pairs out of the texts of other runs."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import TerminalProgress
from pipeline.cli.stage import add_recipe_argument, add_run_arguments, existing_run, show_yield
from pipeline.crop import crop_runs
from pipeline.run_folder import open_run
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `crop`."""
    parser.add_argument(
        "--of", required=True, metavar="RUN[,RUN…]", help="runs whose pools the pairs are cut out of"
    )
    add_run_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Crop, and say what came of it."""
    settings = PipelineSettings.from_environment()
    names = [name.strip() for name in arguments.of.split(",") if name.strip()]
    of = [existing_run(name, settings) for name in names]
    folder = open_run(arguments.run, settings.runs)
    recipe = folder.recipe(arguments.recipe)
    with folder.held():
        total = crop_runs(folder, of, recipe, settings.search, TerminalProgress(), restart=arguments.restart)
        folder.keep(recipe)
    show_yield("crop", folder, total, ("windows", "pairs"), as_json=arguments.json)
    return 0
