"""The name that a trained model gets."""

from __future__ import annotations

import pytest
from training_material import recipe_text

from medsearch.errors import UsageError
from pipeline.cli.train import named
from pipeline.training.recipe import parse_train_recipe

SHORT = "steps = 4\nevaluate_every = 2"


def test_a_model_never_gets_the_name_of_one_that_medsearch_comes_with() -> None:
    recipe = parse_train_recipe(recipe_text("rows.jsonl", train=SHORT), "r.toml")
    assert named(recipe, None).name == recipe.name
    taken = recipe.model_copy(update={"name": "minilm"})
    assert named(taken, None).name == "minilm-own"
    assert named(taken, "mine").name == "mine"
    with pytest.raises(UsageError, match="--name bm25: medsearch comes with a model of this name"):
        named(taken, "bm25")
    with pytest.raises(UsageError, match="'No good' is no name for a model"):
        named(taken, "No good")
