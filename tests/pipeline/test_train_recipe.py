"""A training recipe: what it refuses, and that the shipped ones are sound."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from pipeline.training.base_model import check_lengths
from pipeline.training.dense import train_dense
from pipeline.training.losses import check_loss
from pipeline.training.recipe import LossKind, TrainRecipe, load_train_recipe, parse_train_recipe

DENSE = ("minilm", "small", "base", "large")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[train]\nsteps = 3\nbatches = 4", "train.batches: extra inputs are not permitted"),
        ("colour = 1\n[train]\nsteps = 3", "data.0.colour: extra inputs"),
        ("[train]\nsteps = 3\nepochs = 1.0", "train: give either steps or epochs"),
        ("[train]\nbatch = 8", "train: give either steps or epochs"),
        ("[train]\nsteps = 3\nbatch = 8\nmini_batch = 9", "train: mini_batch 9 is above batch 8"),
        (
            "[train]\nsteps = 3\nprecision = 'fp16'",
            "train.precision: input should be 'auto', 'fp32' or 'bf16'",
        ),
        ("[train]\nsteps = 3\nlearning_rate = nan", "train.learning_rate: input should be"),
        ("[train]\nsteps = 3\n[loss]\nmatryoshka = [64, 128]", "loss.matryoshka: must fall"),
        ("[train]\nsteps = 3\n[loss]\ntemperature = 0", "loss.temperature: input should be greater than 0"),
        ("[train]\nsteps = 3\n[lora]\nrank = 0", "lora.rank: input should be greater"),
        (
            "[train]\nsteps = 3\n[loss]\nnegatives = 0\n[distill]\nteacher = 'bm25'",
            "give loss.negatives or distill.in_batch",
        ),
        (
            "[train]\nsteps = 3\nkeep_checkpoints = 2\n[select]\ncheckpoints = 3",
            "above train.keep_checkpoints 2",
        ),
        ("run = 'a'\n[train]\nsteps = 3", "data.0: name either a run or a file"),
        ("[train", "is not TOML"),
    ],
)
def test_a_wrong_recipe_names_file_and_key(line: str, told: str) -> None:
    text = f'description = "x"\nname = "x"\nbase = "minilm"\nlicence = "mit"\n[[data]]\nfile = "x"\n{line}\n'
    with pytest.raises(UsageError, match=r"recipe my\.toml") as caught:
        parse_train_recipe(text, "my.toml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no training recipe called 'medium'; there is base, .*large.*minilm.*small"
    ):
        load_train_recipe("medium")
    with pytest.raises(UsageError, match="there is no recipe file"):
        load_train_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes("description = 'é'".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8"):
        load_train_recipe(str(tmp_path / "latin.toml"))


@pytest.mark.parametrize("name", DENSE)
def test_shipped_recipes_fit_their_base_and_survive_as_json(name: str) -> None:
    recipe = load_train_recipe(name)
    spec = load_registry()[recipe.base]
    check_loss(recipe, spec)
    check_lengths(recipe, spec)
    assert recipe.licence == spec.licence
    assert TrainRecipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", DENSE[1:])
def test_bge_recipes_begin_with_medembeds_settings(name: str) -> None:
    recipe = load_train_recipe(name)
    train = recipe.train
    assert (train.learning_rate, train.epochs, recipe.loss.temperature, train.warmup) == (2e-5, 3, 0.02, 0.05)
    assert (train.query_tokens, train.document_tokens, train.schedule) == (128, 256, "cosine")
    assert recipe.loss.kind is LossKind.CACHED_RANKING
    assert recipe.loss.negatives
    assert recipe.loss.matryoshka


def test_recipes_ship_with_every_key_known() -> None:
    for name in DENSE:
        text = (Path(__file__).parents[2] / "pipeline" / "recipes" / f"{name}.toml").read_text("utf-8")
        assert tomllib.loads(text)["name"] == f"medsearch-{name}"


@pytest.mark.parametrize(
    ("tables", "train", "told"),
    [
        ("[loss]\nmatryoshka = [64, 32]", "", "loss.matryoshka: 64 is above the 32 dimensions of tiny"),
        ("[loss]\nmatryoshka = [16]", "", "loss.matryoshka: must begin with 32"),
        ("[lora]\ntargets = ['query', 'wings']", "", "lora.targets: the base has no layer called 'wings'"),
        ("", "document_tokens = 65", "train.document_tokens: 65 is above the 64 that tiny reads"),
        (
            "[distill]\nteacher = 'nobody'",
            "",
            "distill.teacher: unknown model 'nobody'.*or bm25, hybrid:MODEL",
        ),
        (
            "[distill]\nteacher = 'cross-encoder:nowhere'",
            "",
            "distill.teacher: nowhere has no model.safetensors",
        ),
        ("[distill]\nteacher = 'hybrid:bm25'", "", "distill.teacher: bm25 is sparse"),
    ],
)
def test_a_recipe_that_does_not_fit_its_base_is_refused(
    tmp_path: Path, tables: str, train: str, told: str
) -> None:
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(20))
    job = tiny_job(tmp_path / "run", settings, recipe_text(data, train=train, tables=tables), panel=False)
    with pytest.raises(Exception, match=told) as caught:
        train_dense(job)
    assert type(caught.value).__module__ == "medsearch.errors"
