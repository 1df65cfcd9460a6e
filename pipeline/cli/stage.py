"""What the stages' commands share: a run by name, its recipe, and the yield table at the end."""

from __future__ import annotations

import argparse
from typing import Literal, Protocol

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.errors import UsageError
from medsearch.protocols import Progress
from medsearch.settings import Settings
from pipeline.recipe import Recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings
from pipeline.yields import Yield


def add_run_arguments(parser: argparse.ArgumentParser, *, default: str = "") -> None:
    """The options that name the run; `default` says what its name is when none is given."""
    words = "the run's name: its files lie in data/interim/NAME"
    parser.add_argument(
        "--run",
        metavar="NAME",
        required=not default,
        help=f"{words} (default: {default})" if default else words,
    )
    parser.add_argument("--restart", action="store_true", help="forget what this stage did, begin anew")


def add_recipe_argument(parser: argparse.ArgumentParser) -> None:
    """The option that names a recipe."""
    parser.add_argument(
        "--recipe", metavar="RECIPE",
        help="a recipe that comes with medsearch, or a .toml file (default: the run's, else smollm2)",
    )  # fmt: skip


def existing_run(name: str, settings: PipelineSettings) -> RunFolder:
    """The run of a name, which must be there.

    Raises:
        UsageError: it is not; the message has the runs that are.
    """
    run = open_run(name, settings.runs)
    if run.path.is_dir():
        return run
    there = sorted(path.name for path in settings.runs.iterdir()) if settings.runs.is_dir() else []
    known = (
        f"there is {', '.join(there)}" if there else "there is none yet: `generate` or `convert` begins one"
    )
    raise UsageError(f"no run called {run.name!r} in {settings.runs}; {known}")


class Work(Protocol):
    """A stage that makes rows from a run's own rows."""

    def __call__(
        self, run: RunFolder, recipe: Recipe, settings: Settings, progress: Progress, *, restart: bool
    ) -> Yield:
        """Do it, or go on with it."""
        ...


def run_derived(
    arguments: argparse.Namespace, stage: Literal["filter", "mine"], work: Work, words: tuple[str, str]
) -> int:
    """Run such a stage on the run that the arguments name, and show what came of it."""
    settings = PipelineSettings.from_environment()
    run = existing_run(arguments.run, settings)
    with run.held():
        recipe = run.recipe_with(stage, arguments.recipe)
        total = work(run, recipe, settings.search, TerminalProgress(), restart=arguments.restart)
    show_yield(stage, run, total, words, as_json=arguments.json)
    return 0


def show_yield(stage: str, run: RunFolder, total: Yield, words: tuple[str, str], *, as_json: bool) -> None:
    """The yield table of a stage, or the same as JSON; `words` name what went in and what was kept."""
    if as_json:
        show_json({"stage": stage, "run": run.name, "folder": str(run.path), **total.record()})
        return
    show_table(total.table(*words), [f"{stage} ({run.name})", "count", "share"])
