"""`python -m pipeline mine`: find hard negatives, and divide rows into train and dev."""

from __future__ import annotations

import argparse

from pipeline.cli.stage import add_recipe_argument, add_run_arguments, run_derived
from pipeline.mine import mine_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mine`."""
    add_run_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Mine, and say what came of it."""
    return run_derived(arguments, "mine", mine_run, ("pairs", "triplets"))
