"""What late interaction begins with: the projection, the lengths, and the recipes that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from late_training_material import ROWS, Material, batch_of, late_job, late_text, make_material
from safetensors.torch import load_file
from tiny_adapter import make_tiny_adapter
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import UsageError
from medsearch.types import ModelKind
from pipeline.training.choosing.candidates import Candidate, open_maker
from pipeline.training.job import TrainingJob
from pipeline.training.late.model import check_late
from pipeline.training.late.projection import principal_directions
from pipeline.training.late.train import late_learner, train_late
from pipeline.training.recipe import load_train_recipe, parse_train_recipe
from pipeline.training.running.loop import planned


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("late"))


def test_the_projection_keeps_the_directions_that_hold_most() -> None:
    """Vectors count by direction: three along one axis, two along another, one along a third."""
    axes = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0].astype(np.float32)
    blocks = [np.stack([7 * axes[0], axes[0], -axes[1]]), np.stack([axes[0], 0.1 * axes[1], axes[2]])]
    directions, kept = principal_directions(iter(blocks), 2)
    assert kept == pytest.approx(5 / 6)
    assert np.abs(directions @ axes[:2].T) == pytest.approx(np.eye(2), abs=1e-5)
    assert (directions[np.arange(2), np.abs(directions).argmax(axis=1)] > 0).all()


def test_the_projection_begins_where_the_base_is(tmp_path: Path, material: Material) -> None:
    """Of 24 in 32 dimensions hardly anything is lost; of 8 far less than torch's own first weights lose."""
    settings, data = material
    lost = {}
    for dim, projection in ((32, "pca"), (24, "pca"), (8, "pca"), (8, "random")):
        text = late_text(data, f'[late]\nprojection = "{projection}"\nskip_punctuation = false', dim=dim)
        job = tiny_job(tmp_path / f"{dim}{projection}", settings, text, panel=False)
        model = late_learner(job)[0].eval()
        features = model.preprocess([row.positive for row in ROWS], task="document")
        with torch.no_grad():
            whole = model[0](dict(features))["token_embeddings"]
            short = model(dict(features), task="document")["token_embeddings"]
        scored = features["attention_mask"].bool()
        unit = torch.nn.functional.normalize(whole[scored], dim=1)
        cosines = [vectors @ vectors.T for vectors in (unit, short[scored])]
        lost[dim, projection] = float((cosines[0] - cosines[1]).abs().mean())
    assert lost[32, "pca"] < 1e-5
    assert lost[24, "pca"] < lost[8, "pca"] / 3
    assert lost[8, "pca"] < lost[8, "random"] / 2


@pytest.mark.parametrize(
    ("tables", "dim", "told"),
    [
        ("[loss]\nmatryoshka = [16]", 16, r'loss.matryoshka is for kind = "dense"'),
        ("[loss]\nstay_near_base = 0.1", 16, r'loss.stay_near_base is for kind = "dense"'),
        (
            "[late]\nexpansion = true\nquery_tokens = 20",
            16,
            r"late.query_tokens: with late.expansion .* train.query_tokens, 16",
        ),
        ("[late]\nquery_tokens = 65", 16, r"late.query_tokens: 65 is above the 64 that tiny reads"),
        ("", 48, r'dim: 48 is above the 32 of tiny.*late.projection = "random"'),
        ("[lora]\ntargets = ['nothing']", 16, r"lora.targets: the base has no layer called 'nothing'"),
    ],
)
def test_what_late_interaction_cannot_do_is_refused(
    tmp_path: Path, material: Material, tables: str, dim: int, told: str
) -> None:
    settings, data = material
    job = tiny_job(tmp_path / "run", settings, late_text(data, tables, dim=dim), panel=False)
    with pytest.raises(UsageError, match=told):
        train_late(job)


def test_queries_are_longer_in_use_than_in_training(tmp_path: Path, material: Material) -> None:
    job = late_job(tmp_path / "run", material, "[late]\nquery_tokens = 20", panel=False)
    model, _ = late_learner(job)
    long = [replace(row, query="pain " * 60) for row in ROWS]
    assert batch_of(model, job.recipe, long)[0]["input_ids"].shape == (7, 16)
    assert model.encode_query(["pain " * 60])[0].shape == (20, 16)


def test_a_dense_recipe_has_no_late_table() -> None:
    with pytest.raises(UsageError, match=r'late is for kind = "late_interaction"'):
        parse_train_recipe(recipe_text("rows.jsonl", tables="[late]\nexpansion = true"), "test")


@pytest.mark.parametrize(("name", "dim"), [("colbert", 128), ("minilm-colbert", 256)])
def test_the_shipped_recipes_fit_their_bases(name: str, dim: int) -> None:
    recipe = load_train_recipe(name)
    spec = find_model(recipe.base, load_registry(None))
    assert recipe.kind is ModelKind.LATE_INTERACTION
    assert recipe.dim == dim
    assert recipe.query_prompt == ""
    assert recipe.max_tokens is not None
    assert recipe.max_tokens >= recipe.train.document_tokens
    check_late(recipe, spec)


def test_queries_that_are_filled_up_are_no_padding(tmp_path: Path, material: Material) -> None:
    shares = []
    for expansion in ("true", "false"):
        job = late_job(tmp_path / expansion, material, f"[late]\nexpansion = {expansion}", panel=False)
        plan, lengths = planned(job)
        queries, *_ = lengths.columns(plan.batches[0])
        shares.append(set(queries.tolist()))
    assert shares[0] == {16}
    assert max(shares[1]) < 16


def test_an_adapted_model_is_a_base_too(tmp_path: Path) -> None:
    """A tuned dense model, as the registry has it: its base's weights with the adapter merged in."""
    base = make_learner(tmp_path / "tiny")
    settings = tiny_registry(tmp_path, base)
    assert settings.models is not None
    adapter = make_tiny_adapter(base, tmp_path / "adapter")
    entry = settings.models.read_text("utf-8").replace(f"path:{base}", f"adapter:{adapter}@tiny")
    with settings.models.open("a", encoding="utf-8") as stream:
        stream.write(entry.replace("[tiny]", "[tuned]"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(40))
    text = late_text(data, "[lora]\nrank = 4", "steps = 2\nevaluate_every = 2").replace('"tiny"', '"tuned"')
    job = tiny_job(tmp_path / "run", settings, text, panel=False)
    [checkpoint] = train_late(job).checkpoints
    merged = ready_weights(find_model("tuned", load_registry(settings.models)), cache=settings.cache)
    name = "encoder.layer.0.attention.self.query.weight"
    adapted, plain, made = (
        load_file(folder / "model.safetensors")[name]
        for folder in (merged, base, _written(job, checkpoint, tmp_path / "candidate"))
    )
    assert (adapted - plain).abs().max() > 1e-3
    torch.testing.assert_close(made, adapted, atol=1e-3, rtol=0.05)


def _written(job: TrainingJob, checkpoint: Path, folder: Path) -> Path:
    open_maker(job).write(Candidate("tuned", (checkpoint,), 0.999), folder)
    return folder
