"""The folder of a published adapter says itself how it is used; nobody types its entry."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from selection_material import BASE, MODEL, PROMPT, TOKENS, tiny_settings
from tiny_adapter import make_tiny_adapter
from tiny_bert import DIM

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec, Pooling
from pipeline.training.adapter_entry import has_adapter, write_adapter_entry
from pipeline.training.model_folder import write_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def model(settings: Settings, tmp_path: Path) -> Path:
    """A model's folder as it is before it is put in its place, in which it is then."""
    base = load_registry(settings.models)[BASE]
    source = Path(base.source.removeprefix("path:"))
    made = replace(base, name=MODEL, revision=f"trained from {BASE}", family=BASE)
    (draft := tmp_path / "model.draft").mkdir()
    write_settings(made, source, draft)
    make_tiny_adapter(source, draft / "adapter")
    write_adapter_entry(made, BASE, draft, tmp_path / "model")
    assert str(draft) not in (draft / "adapter" / "registry.toml").read_text("utf-8")
    return draft.rename(tmp_path / "model")


def alone(settings: Settings, model: Path) -> ModelSpec:
    assert settings.models is not None
    (file := model.parent / "alone.toml").write_text(
        settings.models.read_text("utf-8") + (model / "adapter" / "registry.toml").read_text("utf-8")
    )
    return load_registry(file, cache=settings.cache)[MODEL]


def test_the_entry_is_whole_and_pins_both_files(settings: Settings, model: Path) -> None:
    spec = alone(settings, model)
    files = [
        (model / "adapter" / name).read_bytes()
        for name in ("adapter_model.safetensors", "adapter_config.json")
    ]
    weights, config = (sha256(content).hexdigest() for content in files)
    assert spec.source == f"adapter:{model / 'adapter'}@{BASE}"
    assert (spec.sha256, spec.revision) == (weights, f"trained from {BASE}+files.{config[:12]}")
    assert (spec.query_prompt, spec.max_tokens, spec.dim) == (PROMPT, TOKENS, DIM)
    assert (spec.pooling, spec.family) == (Pooling.MEAN, BASE)
    vectors = load_encoder(spec, cache=settings.cache, backend=Backend.TRANSFORMER).encode_queries(["fever"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": Pooling.CLS}, "pooling is mean in .*/adapter, but cls in the registry"),
        ({"max_tokens": TOKENS + 1}, r"max_tokens \(max_seq_length\) is 48 in .*/adapter, but 49 in"),
        (
            {"query_prompt": ""},
            r"query_prompt \(prompts\.query\) is 'Represent this sentence: ' in .*/adapter",
        ),
    ],
)
def test_an_entry_of_ones_own_is_held_against_the_folder(
    settings: Settings, model: Path, change: dict[str, object], message: str
) -> None:
    spec = replace(alone(settings, model), **change)  # type: ignore[arg-type]  # fields of several types
    with pytest.raises(ModelUnavailableError, match=message):
        ready_weights(spec, cache=settings.cache)


def test_a_model_without_an_adapter_gets_no_entry(settings: Settings, tmp_path: Path) -> None:
    base = load_registry(settings.models)[BASE]
    write_adapter_entry(base, BASE, tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"")
    late = replace(base, kind=ModelKind.LATE_INTERACTION)
    write_adapter_entry(late, BASE, tmp_path, tmp_path)
    assert not (tmp_path / "adapter" / "registry.toml").exists()
    assert has_adapter(ModelKind.DENSE, tmp_path)
    assert not has_adapter(ModelKind.LATE_INTERACTION, tmp_path)
