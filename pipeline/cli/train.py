"""`python -m pipeline train`: fine-tune a model by a recipe."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.protocols import Progress
from medsearch.workbench.suites import load_suite
from pipeline.evaluated import Evaluated, EvaluateRequest, evaluate_made
from pipeline.settings import PipelineSettings
from pipeline.train import Made, TrainRequest, train_run
from pipeline.training.processes import is_first
from pipeline.training.recipe import TrainRecipe, load_train_recipe, renamed

_OWN = "-own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a training recipe that comes with medsearch, or a .toml file"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="the folder's name, in data/training (default: the model's name)"
    )
    parser.add_argument(
        "--name", metavar="NAME",
        help="the made model's name (default: the recipe's, with -own behind it where medsearch has that)",
    )  # fmt: skip
    parser.add_argument(
        "--evaluate", metavar="SUITE",
        help="then score it beside its base on this suite and write its card; on a suite to report on this "
        "is a look at test sets, and counted; exit code 1 where the training data leaks into it",
    )  # fmt: skip
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="with --evaluate: results go there (default: results/SUITE)",
    )
    parser.add_argument("--restart", action="store_true", help="forget what was trained, begin anew")
    parser.add_argument(
        "--strict", action="store_true", help="stop at a row that cannot be used (default: set it aside)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and say what came of it; 1 where the training data leaks into the suite."""
    suite = load_suite(arguments.evaluate) if arguments.evaluate else None
    if arguments.results is not None and suite is None:
        raise UsageError("--results goes with --evaluate SUITE")
    settings = PipelineSettings.from_environment()
    recipe = named(load_train_recipe(arguments.recipe), arguments.name)
    request = TrainRequest(
        recipe,
        arguments.run or recipe.name,
        restart=arguments.restart,
        strict=arguments.strict,
        by=Path(arguments.recipe).name,
    )
    progress: Progress = TerminalProgress() if is_first() else Unheard()
    made = train_run(request, settings, progress)
    if not is_first():
        return 0
    if not arguments.json:
        _show(made)
    evaluated = None
    if suite is not None and made.model is not None:
        results = arguments.results or Path("results") / suite.name
        asked = EvaluateRequest(made.model, made.files, arguments.evaluate, results)
        evaluated = evaluate_made(asked, settings.search, progress)
        progress.say(f"card: {evaluated.card}")
    if arguments.json:
        show_json(_record(made, evaluated))
    return 1 if evaluated is not None and evaluated.leaks else 0


def named(recipe: TrainRecipe, name: str | None) -> TrainRecipe:
    """The recipe under the name that its model gets: never one that a bundled model has.

    Raises:
        UsageError: `name` is that of a bundled model, or not one that a model can have.
    """
    bundled = load_registry()
    if name is None:
        name = f"{recipe.name}{_OWN}" if recipe.name in bundled else recipe.name
    elif name in bundled:
        raise UsageError(f"--name {name}: medsearch comes with a model of this name; choose another")
    return renamed(recipe, name)


def _record(made: Made, evaluated: Evaluated | None) -> dict[str, Any]:
    record = {"run": made.folder.name, "folder": str(made.folder.path), "model": str(made.model)}
    judged = {} if evaluated is None else {"card": str(evaluated.card), "leaks": evaluated.leaks}
    return {**record, **made.trained.facts, **judged}


def _show(made: Made) -> None:
    facts = made.trained.facts
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
