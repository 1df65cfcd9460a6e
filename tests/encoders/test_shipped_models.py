"""The models that lie in the repository: whole, small, clean, and chosen on nothing that is reported."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from medsearch.adapter_source import adapter_folder
from medsearch.encoders.merged import ready_weights
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.evaluation.provenance import provenance_of
from medsearch.evaluation.training_facts import LEAKS_LEFT, ROWS_CHECKED, training_facts_of
from medsearch.types import ModelKind, ModelSpec
from medsearch.workbench.suites import load_suite
from pipeline.training.panel.late import encoders_of

REGISTRY = load_registry()
SHIPPED = sorted(name for name, spec in REGISTRY.items() if spec.source.startswith("adapter:models/"))
MOST_BYTES = {ModelKind.DENSE: 5_000_000, ModelKind.LATE_INTERACTION: 6_000_000}
TEXTS = ["chest pain that comes after eating", "Warfarin doses are set by the INR.", "myocardial infarction"]


CANDIDATES = {"medsearch-minilm": 181, "medsearch-minilm-colbert": 33}
"""How many were compared before the shipped run began: those of the wide search count."""


def test_what_the_project_promises_is_shipped() -> None:
    assert sorted(CANDIDATES) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_its_folder_is_small_has_a_card_and_names_no_place(name: str) -> None:
    folder = _folder(REGISTRY[name])
    files = [file for file in folder.rglob("*") if file.is_file()]
    weights = [file.stat().st_size for file in files if file.suffix == ".safetensors"]
    assert sum(weights) <= MOST_BYTES[REGISTRY[name].kind]
    card = (folder / "README.md").read_text("utf-8")
    assert "Not a medical device" in card
    for file in files:
        if file.suffix in (".json", ".md"):
            text = file.read_text("utf-8")
            assert not re.search(r"[\"(` ]/\w+/\w", text), "an absolute path"


@pytest.mark.parametrize("name", SHIPPED)
def test_it_was_chosen_on_nothing_that_is_reported_and_its_data_has_no_leak(name: str) -> None:
    spec = REGISTRY[name]
    provenance, facts = provenance_of(spec), training_facts_of(spec)
    assert provenance is not None, "its provenance speaks of other weights"
    assert facts is not None, "its training.json speaks of other weights"
    reported = {(task.corpus, task.split) for task in load_suite("medical-local").tasks}
    assert not reported & {(task.corpus, task.split) for task in provenance.selection.tasks}
    assert provenance.selection.candidates > CANDIDATES[name]
    sources = facts.training["sources"]
    assert [each.name for each in provenance.data] == [counts["name"] for counts in sources]
    for counts in sources:
        assert counts[ROWS_CHECKED] > 0
        assert counts[LEAKS_LEFT] == 0
    assert {"medical-local", "medical-dev"} <= set(facts.recipe["clean_of"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHIPPED if REGISTRY[name].kind is ModelKind.DENSE])
def test_it_is_its_base_with_the_adapter_and_serves_as_it_was_made(name: str, tmp_path: Path) -> None:
    """Against peft's own merge in sentence-transformers."""
    from peft import PeftModel
    from sentence_transformers import SentenceTransformer

    spec = REGISTRY[name]
    served = load_encoder(spec, cache=tmp_path, backend=Backend.ONNX).encode_documents(TEXTS)
    base = REGISTRY[spec.source.rpartition("@")[2]]
    theirs = SentenceTransformer(str(ready_weights(base, cache=tmp_path)), device="cpu")
    untuned = theirs.encode(TEXTS, normalize_embeddings=True)
    module = theirs[0]
    module.auto_model = PeftModel.from_pretrained(module.auto_model, _folder(spec)).merge_and_unload()
    np.testing.assert_allclose(served, theirs.encode(TEXTS, normalize_embeddings=True), atol=1e-4)
    assert np.abs(served - untuned).max() > 0.01, "tuning changes something"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHIPPED if REGISTRY[name].kind is not ModelKind.DENSE])
def test_its_transformer_is_its_base_with_the_adapter_and_it_serves_as_it_was_made(
    name: str, tmp_path: Path
) -> None:
    """Against peft's own merge, and sentence-transformers; the projection is the one that was trained."""
    from peft import PeftModel
    from sentence_transformers import MultiVectorEncoder
    from transformers import AutoModel

    spec = REGISTRY[name]
    made = ready_weights(spec, cache=tmp_path)
    base = AutoModel.from_pretrained(ready_weights(REGISTRY[spec.source.rpartition("@")[2]], cache=tmp_path))
    untuned = {key: value.clone() for key, value in base.state_dict().items()}
    theirs = PeftModel.from_pretrained(base, _folder(spec)).merge_and_unload().state_dict()
    ours = AutoModel.from_pretrained(made).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[key], theirs[key], atol=1e-5) for key in theirs)
    assert any(np.abs(ours[key] - untuned[key]).max() > 0.01 for key in untuned), "tuning changes something"
    projection = Path("1_Dense") / "model.safetensors"
    assert (made / projection).read_bytes() == (_folder(spec) / projection).read_bytes()
    served = load_token_encoder(spec, cache=tmp_path, backend=Backend.ONNX).encode_documents(TEXTS)
    _, documents = encoders_of(MultiVectorEncoder(str(made), device="cpu"))
    for vectors, reference in zip(served, documents(TEXTS), strict=True):
        np.testing.assert_allclose(vectors, reference, atol=1e-4)


def _folder(spec: ModelSpec) -> Path:
    folder = adapter_folder(spec.source)
    assert folder is not None
    return folder
