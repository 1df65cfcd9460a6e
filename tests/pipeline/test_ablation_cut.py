"""Shorter vectors in an ablation: of variants trained for them, of what these stand on, of the base."""

from __future__ import annotations

from pathlib import Path

import pytest
from ablation_material import ablation_place
from fakes import Heard

from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.transformer import TransformerEncoder
from pipeline.ablate import AblateRequest, ablate
from pipeline.training.panel.build import build_panel
from pipeline.training.panel.scores import encode_panel, means_by_task, scores_of_vectors
from pipeline.training.recipe import load_train_recipe


def test_vectors_are_cut_where_a_variant_trains_for_it(tmp_path: Path) -> None:
    place = ablation_place(tmp_path)
    trained = place.changed(
        'description = "three times as many"',
        'description = "cut"\nloss = { matryoshka = [32, 8] }',
    )
    asked = AblateRequest(trained, ("few rows", "many rows"))
    heard = Heard()
    page = ablate(asked, place.settings, heard)
    cut = {row.name: row.cut for row in page.rows}
    assert {name: list(found) for name, found in cut.items()} == {
        "tiny-base": [32, 8], "few rows": [32, 8], "many rows": [32, 8],
    }  # fmt: skip
    for row in page.rows:
        assert row.cut[32] == pytest.approx(row.mean), "32 numbers are the whole vector"
    assert len({found[8] for found in cut.values()}) > 1
    assert [title for title in heard.stages if title.startswith("Cutting")]

    # The base once more, by its entry.
    search = place.settings.search
    base = find_model("tiny-base", load_registry(search.models, cache=search.cache))
    panel = build_panel(load_train_recipe(str(tmp_path / "recipe.toml")).select, "tiny-base", search, Heard())
    encoder = TransformerEncoder(base, cache=search.cache)
    vectors = encode_panel(panel, encoder.encode_queries, encoder.encode_documents)
    means = means_by_task(scores_of_vectors(panel, vectors, dim=8))
    assert cut["tiny-base"][8] == pytest.approx(sum(means.values()) / len(means))

    text = page.markdown()
    assert "## Cut to fewer numbers" in text
    assert f"{100 * cut['many rows'][8]:.1f}" in text.split("## Cut to fewer numbers")[1]
    assert page.record()["rows"][2]["mean_when_cut_to"] == {
        str(length): mean for length, mean in cut["many rows"].items()
    }

    again = Heard()
    assert ablate(asked, place.settings, again).record() == page.record()
    assert not [title for title in again.stages if title.startswith("Cutting")]


def test_where_none_trains_for_it_nothing_is_cut(tmp_path: Path) -> None:
    place = ablation_place(tmp_path)
    heard = Heard()
    page = ablate(AblateRequest(str(place.file), ("few rows",)), place.settings, heard)
    assert not [title for title in heard.stages if title.startswith("Cutting")]
    assert "Cut to fewer numbers" not in page.markdown()
