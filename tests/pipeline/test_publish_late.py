"""A late-interaction checkpoint becomes a folder as a dense one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from selection_material import tiny_guard, tiny_run

from medsearch.evaluation.training_facts import TrainingFacts
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.select import select
from pipeline.training.guard.build import Guard
from pipeline.training.publishing.publish import publish
from pipeline.training.publishing.quantise import FLOAT32, INT8

pytestmark = pytest.mark.slow  # each export to ONNX takes seconds

QUERIES = ["chest pain after eating", "fever", "what is a low dose?"]


def facts_of(folder: Path) -> TrainingFacts:
    return TrainingFacts.model_validate_json((folder / "training.json").read_bytes())


def test_a_late_interaction_model_is_published_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from late_material import TOKEN_DIM, make_late
    from sentence_transformers import MultiVectorEncoder

    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
    run = tiny_run(tmp_path, checkpoints=1, base_shares=[0.0])
    changes = {"kind": "late_interaction", "dim": TOKEN_DIM}
    recipe = type(run.job.recipe).model_validate({**run.job.recipe.model_dump(mode="json"), **changes})
    job, checkpoint = replace(run.job, recipe=recipe), tmp_path / "late" / "checkpoint-10"
    make_late(checkpoint)
    trained = replace(run.trained, checkpoints=(checkpoint,))
    folder = publish(job, trained, select(job, trained))
    entry = (folder / "registry.toml").read_text("utf-8")
    assert 'kind = "late_interaction"' in entry
    assert f"dim = {TOKEN_DIM}" in entry
    assert 'query_prompt = "[Q] "' in entry
    ours, theirs = (
        MultiVectorEncoder(str(place)).encode_query(QUERIES, convert_to_numpy=True)
        for place in (folder, checkpoint)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    export, small = facts_of(folder).exports
    assert (export.file, small.file) == (FLOAT32, INT8)
    assert export.cosine_min > 1 - 1e-5
    assert export.dev == pytest.approx(facts_of(folder).selection.taken.dev)
