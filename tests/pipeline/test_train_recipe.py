"""A training recipe: what it refuses, and that the shipped ones are sound."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.types import ModelKind
from pipeline.training.base_model import check_lengths
from pipeline.training.dense.losses import check_loss
from pipeline.training.dense.train import train_dense
from pipeline.training.recipe import LossKind, TrainRecipe, load_train_recipe, parse_train_recipe

DENSE = ("minilm", "small", "base", "large")
RECIPES = Path(__file__).parents[2] / "pipeline" / "recipes"


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
            "[train]\nsteps = 3\n[distill]\nteacher = 'bm25'\nloss = 'margin'\nteacher_temperature = 0.1",
            "distill: teacher_temperature is for the loss kl",
        ),
        (
            "[train]\nsteps = 3\n[distill]\nteacher = 'bm25'\ndense_share = 0.7",
            "distill: dense_share is for a teacher that is a hybrid",
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


def test_every_recipe_that_ships_is_read_and_keeps_all_it_says() -> None:
    files = {file.stem: file for file in RECIPES.glob("*.toml")}
    assert set(files) == {*DENSE, "colbert", "minilm-colbert"}
    for name, file in files.items():
        recipe, written = load_train_recipe(name), tomllib.loads(file.read_text("utf-8"))
        assert recipe.name == f"medsearch-{name}"
        assert (recipe.kind is ModelKind.LATE_INTERACTION) == ("colbert" in name)
        read = json.loads(recipe.model_dump_json())
        for table in ("train", "loss", "late", "lora", "select"):
            for key, value in written.get(table, {}).items():
                assert read[table][key] == value, f"{name}: {table}.{key}"
        assert [row["run"] for row in read["data"]] == [row["run"] for row in written["data"]]
        assert len({row["run"] for row in read["data"]}) == len(read["data"])


def test_only_recipes_for_a_gpu_need_a_language_model() -> None:
    small, late = load_train_recipe("minilm"), load_train_recipe("minilm-colbert")
    assert late.data == small.data
    assert "case_reports" not in {table.run for table in small.data}
    for name in ("small", "base", "large", "colbert"):
        assert "case_reports" in {table.run for table in load_train_recipe(name).data}
        said = (RECIPES / f"{name}.toml").read_text("utf-8")
        assert "make generate CORPUS=case_reports" in said
        assert "make triplets CORPUS=case_reports" in said


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
