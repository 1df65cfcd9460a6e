"""The training runs of an ablation: a recipe and a folder for each variant and seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medsearch.errors import UsageError
from pipeline.ablation.folder import VariantFolder
from pipeline.ablation.table import Ablation, Changes, VariantTable, slug
from pipeline.toml_tables import table_fault
from pipeline.training.recipe import NOT_OF_WEIGHTS, TrainRecipe, load_train_recipe

_LONGEST = 80
"""What a recipe's name may have."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One training. Variants that differ only in what is done with the weights share one folder."""

    variant: str
    seed: int
    recipe: TrainRecipe
    folder: VariantFolder


def planned_runs(ablation: Ablation, name: str, root: Path) -> tuple[PlannedRun, ...]:
    """Every run of an ablation in the order of its rows, in folders below `root`.

    Raises:
        UsageError: the recipe is not there, a key is not one of a recipe, or variants cannot be compared.
    """
    base = load_train_recipe(ablation.recipe).model_dump(mode="json", exclude_unset=True)
    common = _merged(base, _told(ablation.common))
    tables: dict[str, Mapping[str, Any]] = {}
    runs: list[PlannedRun] = []
    folders: dict[str, VariantFolder] = {}
    for variant in ablation.variant:
        tables[variant.name] = _merged(tables.get(variant.on, common), _told(variant))
        for seed in ablation.seeds:
            where = f"ablation {name}: variant {variant.name!r}"
            recipe = _recipe(tables[variant.name], f"{name}-{slug(variant.name)}", seed, where)
            own = VariantFolder(root / f"{slug(variant.name)}-seed-{seed}")
            folder = folders.setdefault(_weighed(recipe), own)
            runs.append(PlannedRun(variant.name, seed, recipe, folder))
    _refuse_unequal(runs, name)
    return tuple(runs)


def chosen_variants(ablation: Ablation, only: Sequence[str]) -> tuple[VariantTable, ...]:
    """The variants of these names (or slugs) in the order of the table; all where none is named.

    Raises:
        UsageError: there is no variant of a name; the message has those that are.
    """
    wanted = {slug(name): name for name in only}
    known = {slug(variant.name): variant for variant in ablation.variant}
    if missing := [name for key, name in wanted.items() if key not in known]:
        there = ", ".join(variant.name for variant in ablation.variant)
        raise UsageError(f"--only {missing[0]}: there is no variant of this name; there is {there}")
    return tuple(variant for key, variant in known.items() if not wanted or key in wanted)


def _told(changes: Changes) -> dict[str, Any]:
    parts = changes.model_dump(mode="json", include=set(Changes.model_fields), exclude_unset=True)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in parts.items()}


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(table)
    for key, value in changes.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def _recipe(table: Mapping[str, Any], name: str, seed: int, where: str) -> TrainRecipe:
    """The recipe of one run, with exactly one candidate: else its row would be the best of several.

    Raises:
        UsageError: the keys are not a recipe's, or it has several candidates.
    """
    if "seed" in table.get("train", {}):
        raise UsageError(f"{where}: train.seed: an ablation has seeds = […] for all its variants")
    whole = {**table, "name": name[:_LONGEST], "train": {**table["train"], "seed": seed}}
    try:
        recipe = TrainRecipe.model_validate_json(json.dumps(whole))
    except ValidationError as error:
        raise UsageError(f"{where}: {table_fault(error)}") from None
    if recipe.select.checkpoints != 1 or len(set(recipe.select.base_shares)) != 1:
        raise UsageError(
            f"{where}: it gives several candidates, and the best of several scores better by chance "
            "alone: set select.checkpoints = 1 and one of select.base_shares"
        )
    return recipe


def _weighed(recipe: TrainRecipe) -> str:
    return recipe.model_dump_json(exclude=NOT_OF_WEIGHTS)


def _refuse_unequal(runs: Sequence[PlannedRun], name: str) -> None:
    """All are scored on one panel and cleaned of the same suites, or their scores say nothing.

    Raises:
        UsageError: naming the variant that is not as the first.
    """
    wanted = runs[0].recipe.select.model_dump(exclude={"base_shares"})
    for run in runs:
        own = run.recipe.select.model_dump(exclude={"base_shares"})
        if other := [key for key, value in own.items() if value != wanted[key]]:
            raise UsageError(
                f"ablation {name}: variant {run.variant!r}: select.{other[0]}: all variants are scored "
                "alike: set it under [common.select]"
            )
