"""A run of the data pipeline filtered by another rule: what that rule is worth can then be trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import ValidationError

from medsearch.errors import UsageError
from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from pipeline.ablation.table import RefilterTable
from pipeline.filter import filter_run
from pipeline.journal import digest
from pipeline.recipe import FilterTable, Recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings
from pipeline.toml_tables import table_fault
from pipeline.yields import Yield

MARK = "refiltered.json"
"""In the run's folder: which run's queries it has."""

_LEFT = {".lock", ".partial"}


def refilter(table: RefilterTable, settings: PipelineSettings, progress: Progress) -> Yield:
    """Make the run that the table names, or go on with it; one that is whole is not filtered again.

    Raises:
        UsageError: the other run has no generated queries or no pool, a run of this name was made by
            something else, or the filter's values do not agree.
        MedsearchError: as `filter_run`, or another process has the run.
    """
    source, run = open_run(table.of, settings.runs), open_run(table.run, settings.runs)
    if not source.generated.is_file():
        raise UsageError(
            f"refilter: run {source.name!r} in {settings.runs} has no generated queries: `python -m pipeline "
            f"generate --run {source.name}` makes them"
        )
    if not source.pool_file.is_file():
        raise UsageError(
            f"refilter: run {source.name!r}: {source.pool_file} is not there, the passages that its queries "
            f"were generated for: copy it back, or make the run anew with `python -m pipeline generate`"
        )
    recipe = _recipe(source, table)
    _refuse_other(run, source)  # before the lock too, which would lie in a folder that is not ours
    with run.held():
        _claim(run, source)
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
        raise UsageError(f"refilter: run {table.run}: {table_fault(error)}") from None


def _claim(run: RunFolder, source: RunFolder) -> None:
    """Mark the folder as made here, before anything else is written to it; the run is held."""
    _refuse_other(run, source)
    if not _is_ours(run, source):
        replace_file(run.path / MARK, _mark(source))


def _refuse_other(run: RunFolder, source: RunFolder) -> None:
    """What a kill before the mark leaves, a lock and a partial file, makes no folder another's."""
    if _is_ours(run, source) or not run.path.is_dir():
        return
    if any(file.suffix not in _LEFT for file in run.path.iterdir()):
        raise UsageError(
            f"refilter: {run.path} is there and was not made of the queries of {source.name}: give "
            "refilter.run another name, or take the folder away"
        )


def _is_ours(run: RunFolder, source: RunFolder) -> bool:
    mark = run.path / MARK
    return mark.is_file() and mark.read_bytes() == _mark(source)


def _mark(source: RunFolder) -> bytes:
    return json.dumps({"of": source.name}).encode() + b"\n"


def _copied(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    partial = new.with_name(f"{new.name}.partial")
    shutil.copyfile(old, partial)
    partial.replace(new)
