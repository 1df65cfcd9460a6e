"""`python -m pipeline train`: fine-tune a model by a recipe."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.protocols import Progress
from pipeline.settings import PipelineSettings
from pipeline.train import Made, TrainRequest, train_run
from pipeline.training.processes import is_first
from pipeline.training.recipe import load_train_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a training recipe that comes with medsearch, or a .toml file"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="the folder's name, in data/training (default: the model's name)"
    )
    parser.add_argument("--restart", action="store_true", help="forget what was trained, begin anew")
    parser.add_argument(
        "--strict", action="store_true", help="stop at a row that cannot be used (default: set it aside)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and say what came of it."""
    settings = PipelineSettings.from_environment()
    recipe = load_train_recipe(arguments.recipe)
    request = TrainRequest(
        recipe, arguments.run or recipe.name, restart=arguments.restart, strict=arguments.strict
    )
    made = train_run(request, settings, TerminalProgress() if is_first() else Unheard())
    if is_first():
        _show(made, as_json=arguments.json)
    return 0


def _show(made: Made, *, as_json: bool) -> None:
    facts = made.trained.facts
    if as_json:
        show_json(
            {"run": made.folder.name, "folder": str(made.folder.path), "model": str(made.model), **facts}
        )
        return
    shown = (
        "steps",
        "rows",
        "seconds",
        "rows_a_second",
        "loss_first",
        "loss_last",
        "padding_share",
        "precision",
    )
    rows = [[name.replace("_", " "), facts[name]] for name in shown if name in facts]
    show_table(rows, [f"train ({made.folder.name})", "value"])
    print(f"model: {made.model}")
    print(f"curve: {made.folder.curve}")


class Unheard(Progress):
    """The progress of a process beside the first: it says nothing."""

    @contextmanager
    def stage(self, _title: str, _total: int | None, /) -> Iterator[Callable[[int], None]]:
        """Nothing is shown."""
        yield lambda _: None

    def say(self, _line: str, /) -> None:
        """Nothing is said."""
