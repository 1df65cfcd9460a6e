"""The folder of a published adapter says itself how it is used; nobody types its entry."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from late_adapter_material import make_late_adapter, write_entries
from late_material import TOKEN_DIM, late_spec
from selection_material import BASE, MODEL, PROMPT, TOKENS, tiny_settings
from tiny_adapter import make_tiny_adapter
from tiny_bert import DIM

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.model_folder import write_settings
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec, Pooling
from pipeline.training.publishing.adapter_entry import has_adapter, write_adapter_entry


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
    write_adapter_entry(replace(base, kind=ModelKind.SPARSE), BASE, tmp_path, tmp_path)
    assert not (tmp_path / "adapter" / "registry.toml").exists()
    assert [kind for kind in ModelKind if has_adapter(kind, tmp_path)] == [
        ModelKind.DENSE,
        ModelKind.LATE_INTERACTION,
    ]


@pytest.fixture
def late(tmp_path: Path) -> Path:
    """The folder of a published late-interaction model, and the base's beside it."""
    made = make_late_adapter(tmp_path)
    draft = (made / "whole").rename(made / "model.draft")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (draft / "adapter").mkdir(exist_ok=True)
        (made / "adapter" / name).rename(draft / "adapter" / name)
    # As publishing has it: the revision is already that of the whole folder's files.
    spec = late_spec(draft, MODEL, revision="trained from base+files.0123456789ab", family="base")
    write_adapter_entry(spec, "base", draft, made / "model")
    return draft.rename(made / "model")


def test_a_late_interaction_models_adapter_is_used_alone_too(late: Path) -> None:
    from sentence_transformers import MultiVectorEncoder

    write_entries(late.parent)
    file, adapter = late.parent / "models.toml", late / "adapter"
    own = (adapter / "registry.toml").read_text("utf-8")
    file.write_text(file.read_text("utf-8").partition("[late]")[0] + own, encoding="utf-8")
    spec = load_registry(file, cache=late.parent / "cache")[MODEL]
    assert (spec.kind, spec.dim, spec.query_prompt) == (ModelKind.LATE_INTERACTION, TOKEN_DIM, "[Q] ")
    assert spec.source == f"adapter:{adapter}@base"
    assert spec.sha256 == sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert (spec.revision, load_registry(file)[MODEL].sha256) == (pin_in(own), spec.sha256)
    assert spec.revision.startswith("trained from base+files.")
    assert "0123456789ab" not in spec.revision, "that is of the whole model"
    model = MultiVectorEncoder(str(ready_weights(spec, cache=late.parent / "cache")), local_files_only=True)
    whole = MultiVectorEncoder(str(late), local_files_only=True)
    texts = ["chest pain", "a high dose, of a drug - in a child. " * 9]
    for side in ("encode_query", "encode_document"):
        ours, theirs = (getattr(each, side)(texts, convert_to_numpy=True) for each in (model, whole))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    projection = adapter / "1_Dense" / "model.safetensors"
    projection.write_bytes(projection.read_bytes()[:-1] + b"\0")
    changed = load_registry(file, cache=late.parent / "cache")[MODEL]
    with pytest.raises(
        ModelUnavailableError, match=r"a setting or the projection in .*/adapter is not the pinned"
    ):
        ready_weights(changed, cache=late.parent / "cache")


def pin_in(entry: str) -> str:
    """The revision that an entry names."""
    return str(tomllib.loads(entry)[MODEL]["revision"])


def test_a_model_without_a_module_is_no_adapter(late: Path) -> None:
    (late / "3_Normalize" / "config.json").unlink()
    with pytest.raises(
        ModelUnavailableError, match=r"/model has no 3_Normalize/config\.json, and an adapter of"
    ):
        write_adapter_entry(late_spec(late), "base", late, late)
