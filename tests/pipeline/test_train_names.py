"""The name that a trained model gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_material import recipe_text

from medsearch.errors import UsageError
from pipeline.cli.main import main
from pipeline.cli.train import named
from pipeline.train import training_folder
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


@pytest.mark.parametrize(
    "given", [["--run", "clean"], ["--name", "ablations"], ["--run", "Clean", "--restart"]]
)
def test_no_run_gets_the_name_of_a_folder_that_runs_share(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_TRAINING", str(tmp_path / "training"))
    kept = tmp_path / "training" / given[1] / "model" / "kept.jsonl"
    kept.parent.mkdir(parents=True)
    kept.touch()
    recipe = tmp_path / "r.toml"
    recipe.write_text(recipe_text("rows.jsonl", train=SHORT), encoding="utf-8")
    assert main(["train", str(recipe), *given]) == 2
    said = capsys.readouterr().err.splitlines()
    assert f"no training run can be called {given[1]!r}: what runs share lies under this name" in said[-1]
    assert said[-1].endswith("give another with --run")
    assert list((tmp_path / "training").rglob("*.*")) == [kept]
    assert training_folder("cleaner", tmp_path).path == tmp_path / "cleaner"
