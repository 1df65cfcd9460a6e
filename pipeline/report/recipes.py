"""Under which names the recipe that a run keeps can be asked for again."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from pipeline.recipe import Recipe, load_recipe
from pipeline.run_folder import RunFolder

OWN_RECIPE = "RECIPE.toml"
"""Stands for a recipe that does not come with medsearch, or no longer does."""

_DEFAULT = "smollm2"
"""What a run without a recipe takes (`RunFolder.recipe`)."""

_Part = Callable[[Recipe], object]


def recipes_of(run: RunFolder) -> dict[str, str]:
    """Stage -> what `--recipe` must say for it; stages that need none are absent.

    `generate` takes the whole recipe, which holds for later stages, too, unless they name another.

    Raises:
        UsageError: the recipe that the run keeps is damaged.
    """
    kept = run.recipe(None)
    shipped = _shipped()
    begun = _DEFAULT
    named: dict[str, str] = {}
    if run.generated.exists():
        begun = _name_of(kept, shipped, _of_generate)
        if begun != _DEFAULT:
            named["generate"] = begun
    for stage, part in (("crop", _of_crop), ("filter", _of_filter), ("mine", _of_mine)):
        if begun != OWN_RECIPE and part(kept) != part(shipped[begun]):
            named[stage] = _name_of(kept, shipped, part)
    return named


def _shipped() -> dict[str, Recipe]:
    """The recipes that come with medsearch, the default first."""
    names = (entry.name.removesuffix(".toml") for entry in (files("pipeline") / "recipes" / "data").iterdir())
    return {name: load_recipe(name) for name in sorted(names, key=lambda name: (name != _DEFAULT, name))}


def _name_of(kept: Recipe, shipped: dict[str, Recipe], part: _Part) -> str:
    return next((name for name, recipe in shipped.items() if part(recipe) == part(kept)), OWN_RECIPE)


def _of_generate(recipe: Recipe) -> object:
    return recipe.llm, recipe.generate, recipe.passages


def _of_crop(recipe: Recipe) -> object:
    return recipe.crop


def _of_filter(recipe: Recipe) -> object:
    return recipe.filter


def _of_mine(recipe: Recipe) -> object:
    return recipe.mine
