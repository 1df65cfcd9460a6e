"""What the stages' commands share: a run by name, its recipe, and the yield table at the end."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import show_json, show_table
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield


def add_run_arguments(parser: argparse.ArgumentParser, *, recipe: bool = True) -> None:
    """The options that name the run and its recipe."""
    parser.add_argument("--run", metavar="NAME", help="the run's name: its files lie in data/interim/NAME")
    parser.add_argument("--restart", action="store_true", help="forget what this stage did, begin anew")
    if recipe:
        parser.add_argument(
            "--recipe", metavar="RECIPE",
            help="a recipe that comes with medsearch, or a .toml file (default: the run's, else smollm2)",
        )  # fmt: skip


def show_yield(stage: str, run: RunFolder, total: Yield, words: tuple[str, str], *, as_json: bool) -> None:
    """The yield table of a stage, or the same as JSON; `words` name what went in and what was kept."""
    if as_json:
        show_json({"stage": stage, "run": run.name, "folder": str(run.path), **total.record()})
        return
    show_table(total.table(*words), [f"{stage} ({run.name})", "count", "share"])
