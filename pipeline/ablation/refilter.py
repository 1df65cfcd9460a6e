"""A run of the data pipeline filtered by another rule: what that rule is worth can then be trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import ValidationError

from medsearch.errors import UsageError
from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from pipeline.ablation.table import RefilterTable, first_fault
from pipeline.filter import filter_run
from pipeline.journal import digest
from pipeline.recipe import FilterTable, Recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings
from pipeline.yields import Yield

MARK = "refiltered.json"
"""In the run's folder: which run's queries it has."""


def refilter(table: RefilterTable, settings: PipelineSettings, progress: Progress) -> Yield:
    """Make the run that the table names, or go on with it; one that is whole is not filtered again.

    Raises:
        UsageError: the other run has no generated queries, a run of this name was made by something else, or
            the filter's values do not agree.
        MedsearchError: as `filter_run`.
    """
    source, run = open_run(table.of, settings.runs), open_run(table.run, settings.runs)
    if not source.generated.is_file():
        raise UsageError(
            f"refilter: run {source.name!r} in {settings.runs} has no generated queries: `python -m pipeline "
            f"generate --run {source.name}` makes them"
        )
    recipe = _recipe(source, table)
    _claim(run, source)
    with run.held():
        for old, new in ((source.pool_file, run.pool_file), (source.generated, run.generated)):
            if digest(old) != digest(new):
                _copied(old, new)
        run.keep(recipe)
        return filter_run(run, recipe, settings.search, progress)


def _recipe(source: RunFolder, table: RefilterTable) -> Recipe:
    """The other run's recipe with the filter's changed values."""
    recipe = source.recipe(None)
    values = recipe.filter.model_dump() | table.filter.model_dump(exclude_unset=True)
    try:
        return recipe.model_copy(update={"filter": FilterTable.model_validate(values)})
    except ValidationError as error:
        raise UsageError(f"refilter: run {table.run}: {first_fault(error)}") from None


def _claim(run: RunFolder, source: RunFolder) -> None:
    """Mark the folder as made here, before anything is written to it."""
    mark = run.path / MARK
    wanted = json.dumps({"of": source.name}) + "\n"
    if mark.is_file() and mark.read_text("utf-8") == wanted:
        return
    if run.path.is_dir() and any(run.path.iterdir()):
        raise UsageError(
            f"refilter: {run.path} is there and was not made of the queries of {source.name}: give "
            "refilter.run another name, or take the folder away"
        )
    run.path.mkdir(parents=True, exist_ok=True)
    replace_file(mark, wanted.encode())


def _copied(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    partial = new.with_name(f"{new.name}.partial")
    shutil.copyfile(old, partial)
    partial.replace(new)
