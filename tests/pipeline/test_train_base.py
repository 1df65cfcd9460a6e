"""The model that training begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_adapter import make_tiny_adapter
from training_material import make_learner, recipe_text, tiny_registry

from medsearch.encoders.registry import load_registry
from medsearch.encoders.transformer import TransformerEncoder
from pipeline.training.base_model import dense_base
from pipeline.training.recipe import TrainRecipe, parse_train_recipe


def recipe(base: str) -> TrainRecipe:
    text = recipe_text("rows.jsonl").replace('base = "tiny"', f'base = "{base}"')
    return parse_train_recipe(text, "test")


def test_an_adapter_is_a_base_like_any_other(tmp_path: Path) -> None:
    """What training begins with is what the encoder of the adapter gives."""
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"), prompt="represent this : ")
    assert settings.models is not None
    tiny = load_registry(settings.models)["tiny"]
    adapter = make_tiny_adapter(Path(tiny.source.removeprefix("path:")), tmp_path / "adapter")
    entry = f'[adapted]\nsource = "adapter:{adapter}@tiny"\nrevision = "1"\nkind = "dense"\npooling = "cls"\n'
    entry += f'max_tokens = 64\ndim = 32\nlicence = "mit"\nquery_prompt = "{tiny.query_prompt}"\n'
    registry = tmp_path / "more.toml"
    registry.write_text(f"{settings.models.read_text('utf-8')}\n{entry}", encoding="utf-8")
    own = replace(settings, models=registry, cache=tmp_path / "cache")
    model = dense_base(recipe("adapted"), own)
    spec = load_registry(registry, cache=own.cache)["adapted"]
    wanted = TransformerEncoder(spec, cache=own.cache).encode_documents(["chest pain", "fever"])
    found = model.encode(["chest pain", "fever"], show_progress_bar=False)
    assert found == pytest.approx(wanted, abs=1e-5)
    bare = dense_base(recipe("tiny"), own).encode(["chest pain", "fever"], show_progress_bar=False)
    assert abs(found - bare).max() > 0.01
