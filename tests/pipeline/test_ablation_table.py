"""An ablation's file: what its keys come to, and that a wrong one is named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ablation_material import AblationPlace, ablation_place

from medsearch.errors import UsageError
from pipeline.ablation.table import load_ablation
from pipeline.ablation.variants import planned_runs
from pipeline.training.recipe import load_train_recipe


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> AblationPlace:
    return ablation_place(tmp_path_factory.mktemp("table"))


def planned(name: str, root: Path = Path("training/ablations/tiny")) -> object:
    return planned_runs(load_ablation(name), "tiny", root)


def test_variants_change_what_they_say_and_nothing_else(place: AblationPlace) -> None:
    runs = planned_runs(load_ablation(str(place.file)), "tiny", place.root)
    few, many, averaged = (run.recipe for run in runs)
    recipe = load_train_recipe(str(place.root / "recipe.toml"))
    assert few.train.model_dump(exclude={"steps", "evaluate_every"}) == recipe.train.model_dump(
        exclude={"steps", "evaluate_every"}
    )
    assert (recipe.train.steps, few.train.steps, many.train.steps) == (40, 4, 4)
    assert few.loss == recipe.loss
    assert [len(each.data) for each in (few, many, averaged)] == [1, 2, 2]
    assert averaged.select.base_shares == (0.5,)
    assert averaged.select.queries == recipe.select.queries
    # Weights that are the same are trained once.
    assert runs[2].folder == runs[1].folder != runs[0].folder


def test_the_shipped_ablation_isolates_each_part() -> None:
    ablation = load_ablation("minilm")
    runs = {run.variant: run for run in planned_runs(ablation, "minilm", Path("t/ablations/minilm"))}
    assert len(runs) == 10

    def parts(name: str) -> dict[str, object]:
        return runs[name].recipe.model_dump(exclude={"name"})

    changed = {
        variant.name: [key for key, value in parts(variant.name).items() if value != parts(variant.on)[key]]
        for variant in ablation.variant
        if variant.on
    }
    assert changed == {
        "synthetic only": ["data"],
        "real + synthetic": ["data"],
        "+ crops": ["data"],
        "+ hard negatives": ["loss"],
        "+ Matryoshka": ["loss"],
        "+ averaging with the base": ["select"],
        "real + synthetic, averaged": ["select"],
        "+ crops, averaged": ["data"],
    }
    folders = {name: run.folder.name for name, run in runs.items()}
    for averaged, trained in (
        ("+ averaging with the base", "+ Matryoshka"),
        ("real + synthetic, averaged", "real + synthetic"),
        ("+ crops, averaged", "+ crops"),
    ):
        assert folders[averaged] == folders[trained], "the same weights are trained once"
    assert {run.recipe.select.suite for run in runs.values()} == {"medical-dev"}
    assert {table.run for table in ablation.refilter} <= {
        table.run for run in runs.values() for table in run.recipe.data
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('on = "few rows"', 'upon = "few rows"', r"variant.1.upon: extra inputs are not permitted"),
        ("seeds =", "sead = 3\nseeds =", r"sead: extra inputs"),
        ("[common.train]", "[common.trian]", r"common.trian: extra inputs"),
        ("steps = 4", "stepps = 4", r"variant 'few rows': train.stepps: extra inputs"),
        (
            "base_shares = [0.5]",
            "base_share = 0.5",
            r"variant '\+ averaging': select.base_share: extra inputs",
        ),
        ("base_shares = [0.5]", "base_shares = [0.0, 0.5]", r"'\+ averaging': it gives several candidates"),
        (
            "base_shares = [0.5]",
            "base_shares = [0.5], queries = 3",
            r"select.queries: all variants are scored alike",
        ),
        ("steps = 4", "steps = 4\nseed = 3", r"train.seed: an ablation has seeds"),
        ("[13]", "[13, 13]", r"a seed comes twice"),
        ('on = "few rows"', 'on = "no rows"', r"'many rows': on: no variant above it is called 'no rows'"),
        ('on = "few rows"', 'on = "+ averaging"', r"no variant above it is called '\+ averaging'"),
        ('"many rows"', '"Few, rows"', r"'Few, rows': take another name"),
        ('"many rows"', '"base"', r"'base': take another name"),
        ("[common.train]", "[common.train", r"is not TOML"),
        ("recipe.toml", "none.toml", r"there is no recipe file"),
    ],
)
def test_a_wrong_key_is_named(place: AblationPlace, old: str, new: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        planned(place.changed(old, new))
    assert "\n" not in str(caught.value)
