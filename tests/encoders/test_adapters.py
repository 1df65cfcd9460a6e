"""An adapter is a model like any other: found, pinned, refused, merged once and encoded by both backends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_adapter import adapted_model, make_tiny_adapter
from tiny_bert import DIM, make_tiny_bert

from medsearch.encoders.adapters import base_of
from medsearch.encoders.export import export_model
from medsearch.encoders.merged import ready_weights
from medsearch.encoders.onnx_cache import export_key
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.encoders.tokens import token_counter
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec, Pooling

TEXTS = [
    "chest pain after eating",
    "fever",
    "",
    "the dose of a drug in a child with high blood pressure, " * 9,
]
MAX_TOKENS = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two bases and an adapter of theirs."""
    folder = tmp_path_factory.mktemp("made")
    make_tiny_bert(folder / "base", pooling="mean")
    make_tiny_bert(folder / "other", pooling="mean", seed=1)
    make_tiny_adapter(folder / "base", folder / "adapter")
    return folder


@pytest.fixture
def models(made: Path, tmp_path: Path) -> Path:
    """A copy of these that a test may spoil, with a registry file."""
    for file in made.rglob("*"):
        if file.is_file():
            copy = tmp_path / "models" / file.relative_to(made)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    write_registry(tmp_path / "models")
    return tmp_path / "models"


def write_registry(folder: Path, base: str = "base", extra: str = "") -> None:
    both = f'revision = "1"\nkind = "dense"\nmax_tokens = {MAX_TOKENS}\ndim = {DIM}\nlicence = "mit"\n'
    paths = "\n".join(
        f'[{name}]\nsource = "path:{folder / name}"\npooling = "mean"\n{both}' for name in ("base", "other")
    )
    tuned = f'[tuned]\nsource = "adapter:{folder / "adapter"}@{base}"\npooling = "cls"\n{both}{extra}'
    (folder / "models.toml").write_text(f"{tuned}\n{paths}")


def tuned(models: Path) -> ModelSpec:
    return load_registry(models / "models.toml", cache=models / "cache")["tuned"]


def test_both_backends_give_the_vectors_of_pefts_own_merge(models: Path) -> None:
    spec = tuned(models)
    import torch
    from tokenizers import Tokenizer

    reference = adapted_model(models / "base").merge_and_unload().eval()
    tokenizer = Tokenizer.from_file(str(models / "base" / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    rows = []
    for text in TEXTS:
        with torch.inference_mode():
            states = reference(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0, 0].numpy()
        rows.append(states / np.linalg.norm(states))
    cache = models / "cache"
    export_model(ready_weights(spec, cache=cache), cache / "onnx" / export_key(spec, cache=cache), MAX_TOKENS)
    for backend in Backend:
        encoder = load_encoder(spec, cache=cache, backend=backend)
        assert encoder.spec == spec
        np.testing.assert_allclose(encoder.encode_documents(TEXTS), np.stack(rows), atol=1e-5)
    plain = replace(load_registry(models / "models.toml")["base"], source=f"path:{models / 'base'}")
    before = load_encoder(plain, cache=cache, backend=Backend.TRANSFORMER).encode_documents(TEXTS)
    assert (before * np.stack(rows)).sum(axis=1).max() < 0.99


def test_the_merged_folder_is_a_whole_model_with_the_entrys_own_settings(models: Path) -> None:
    from sentence_transformers import SentenceTransformer

    spec = tuned(models)
    folder = ready_weights(spec, cache=models / "cache")
    assert folder.parent == models / "cache" / "adapters"
    assert folder.name.startswith("tuned-")
    loaded = SentenceTransformer(str(folder))
    assert loaded.max_seq_length == MAX_TOKENS
    encoder = load_encoder(spec, cache=models / "cache", backend=Backend.TRANSFORMER)
    np.testing.assert_allclose(loaded.encode(TEXTS), encoder.encode_documents(TEXTS), atol=1e-6)
    assert token_counter(spec)(["chest pain"]) == token_counter(models / "base")(["chest pain"]) == [2]


def test_merging_is_done_once_and_a_stopped_one_is_done_again(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, cache = tuned(models), models / "cache"

    def stopped(base: Path, adapter: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("medsearch.encoders.merged.merge_adapter", stopped)
        with pytest.raises(KeyboardInterrupt):
            ready_weights(spec, cache=cache)
    folder = ready_weights(spec, cache=cache)
    assert len(load_file(folder / "model.safetensors")) == len(
        load_file(models / "base" / "model.safetensors")
    )
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]
    monkeypatch.setattr("medsearch.encoders.merged.merge_adapter", stopped)
    assert ready_weights(spec, cache=cache) == folder
    unprompted = replace(spec, query_prompt="query: ", licence="apache-2.0")
    assert ready_weights(unprompted, cache=cache) == folder, "prompts are no part of the weights"


def test_an_adapter_is_pinned_to_its_files_and_its_bases(models: Path) -> None:
    """Whatever changes a vector changes the pins, and so the caches and the name of the export."""
    config = models / "adapter" / "adapter_config.json"
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: spoil(models / "adapter" / "adapter_model.safetensors"),
        lambda: config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 5})),
        lambda: (models / "base" / "tokenizer_config.json").write_text('{"model_max_length": 30}'),
        lambda: spoil(models / "base" / "model.safetensors"),
        lambda: write_registry(models, base="other"),
    ]
    pins, keys = [], []
    for change in changes:
        change()
        pins.append(tuned(models))
        keys.append((export_key(pins[-1], cache=models / "cache"), repr(pins[-1].of_vectors)))
    for parts in zip(*keys, strict=True):
        assert len(set(parts)) == len(changes)
    assert len({pin.sha256 for pin in pins}) == 2
    (models / "adapter" / "README.md").write_text("a card changes nothing")
    assert tuned(models) == pins[-1]
    unpinned = load_registry(models / "models.toml")["tuned"]
    assert (unpinned.sha256, unpinned.revision) == ("", "1")


def spoil(file: Path) -> None:
    """Change one number of a weights file."""
    tensors = load_file(file)
    name = next(name for name in sorted(tensors) if "query" in name)
    tensors[name] = tensors[name] + np.float32(0.5)
    save_file(tensors, file, metadata={"format": "pt"})


def test_the_base_is_known_from_the_spec_alone(models: Path) -> None:
    registry = load_registry(models / "models.toml", cache=models / "cache")
    spec, base = registry["tuned"], registry["base"]
    found = base_of(spec)
    assert found is not None
    assert (found.name, found.source, found.revision, found.sha256) == (
        *("base", base.source, base.revision),
        base.sha256,
    )
    assert (found.pooling, spec.pooling, base.pooling) == (Pooling.CLS, Pooling.CLS, Pooling.MEAN)
    assert base_of(base) is None
    assert (spec.family, base.family) == ("base", "")


@pytest.mark.parametrize(
    ("key", "value", "file"),
    [
        ("sha256", "0" * 64, "adapter_model.safetensors"),
        ("revision", "1+files.000000000000", "adapter_config.json"),
    ],
)
@pytest.mark.parametrize("backend", list(Backend))
def test_an_adapter_that_is_not_the_pinned_one_is_refused(
    models: Path, key: str, value: str, file: str, backend: Backend
) -> None:
    lines = (models / "models.toml").read_text().replace('revision = "1"', "", key == "revision")
    (models / "models.toml").write_text(lines.replace("[tuned]", f'[tuned]\n{key} = "{value}"'))
    spec = tuned(models)
    with pytest.raises(ModelUnavailableError) as error:
        load_encoder(spec, cache=models / "cache", backend=backend)
    message = str(error.value)
    assert f"'tuned': {models / 'adapter' / file} is not the pinned file (sha256 " in message
    assert f"expected 000000000000…); put the pinned one back, or correct the entry's {key}" in message
    assert "\n" not in message


def test_an_adapter_trained_again_under_a_running_command_is_refused(models: Path) -> None:
    spec = tuned(models)
    ready_weights(spec, cache=models / "cache")
    spoil(models / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ModelUnavailableError, match="if it was written just now, run the command again"):
        ready_weights(spec, cache=models / "cache")


def test_a_pinned_adapter_needs_none_of_its_files_once_it_was_merged(models: Path) -> None:
    spec, cache = tuned(models), models / "cache"
    folder, key = ready_weights(spec, cache=cache), export_key(spec, cache=cache)
    for name in ("adapter/adapter_config.json", "base/model.safetensors"):
        (models / name).unlink()
    assert ready_weights(spec, cache=cache) == folder
    assert export_key(spec, cache=cache) == key


@pytest.mark.parametrize("backend", list(Backend))
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            ("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
            r"'tuned': .*/adapter has no adapter_config\.json, adapter_model\.safetensors; put the adapter's",
        ),
        (("adapter/adapter_config.json",), r"'tuned': .*/adapter has no adapter_config\.json; put"),
        (("base/model.safetensors", "base/config.json"), r"'base': .*/base has no config\.json, model\.safe"),
    ],
)
def test_missing_files_are_one_line(
    models: Path, backend: Backend, gone: tuple[str, ...], message: str
) -> None:
    for name in gone:
        (models / name).unlink()
    spec = tuned(models)
    for load in (
        lambda: load_encoder(spec, cache=models / "cache", backend=backend),
        lambda: locate_weights(spec, offline=True),
    ):
        with pytest.raises(ModelUnavailableError, match=message) as error:
            load()
        assert "\n" not in str(error.value)


def test_an_adapter_that_cannot_be_merged_is_one_line_and_leaves_nothing(models: Path) -> None:
    (models / "adapter" / "adapter_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(
        ModelUnavailableError, match=r"'tuned' cannot be merged: .*adapter_model\.safetensors cannot be read"
    ) as error:
        ready_weights(tuned(models), cache=models / "cache")
    assert "\n" not in str(error.value)
    assert not [path for path in (models / "cache" / "adapters").iterdir() if path.is_dir()]


def test_a_base_that_is_not_the_pinned_one_is_refused(models: Path) -> None:
    spec = tuned(models)
    spoil(models / "base" / "model.safetensors")
    with pytest.raises(ModelUnavailableError, match=r"'base': .*model\.safetensors is not the pinned file"):
        ready_weights(spec, cache=models / "cache")


def test_an_entry_may_not_read_more_tokens_than_the_base_has_positions(models: Path) -> None:
    spec = replace(tuned(models), max_tokens=65)
    with pytest.raises(
        ModelUnavailableError, match=r"'tuned': max_tokens \(max_position_embeddings\) is 64 in .* but 65 in"
    ):
        ready_weights(spec, cache=models / "cache")


def test_an_unreachable_base_gives_its_own_message(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(models / "hub-cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nothing listens there
    text = (models / "models.toml").read_text()
    text = text.replace("@base", "@bge-small").replace(f"dim = {DIM}", "dim = 384", 1)
    (models / "models.toml").write_text(text)
    spec = tuned(models)
    for backend in Backend:
        with pytest.raises(
            ModelUnavailableError, match=r"^model 'bge-small': BAAI/bge-small-en-v1\.5 is not on this machine"
        ):
            load_encoder(spec, cache=models / "cache", backend=backend)


def test_merging_without_safetensors_names_the_extra(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsearch.encoders.merged.find_spec", lambda name: None)
    with pytest.raises(
        ModelUnavailableError, match=r"needs safetensors; run `pip install 'medsearch\[export\]'`"
    ):
        ready_weights(tuned(models), cache=models / "cache")


SETTINGS = {
    "modules.json": [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}],
    "1_Pooling/config.json": {"pooling_mode_cls_token": True},
    "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS},
    "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "text: "}},
    "provenance.json": {"base": "base"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"max_tokens": MAX_TOKENS - 1}, None),
        (
            {"max_tokens": MAX_TOKENS + 1},
            rf"max_tokens \(max_seq_length\) is {MAX_TOKENS} in .*/adapter, but",
        ),
        ({"pooling": Pooling.MEAN}, "pooling is cls in .*/adapter, but mean in the registry; correct the"),
        ({"query_prompt": ""}, r"query_prompt \(prompts\.query\) is 'query: ' in .*/adapter, but '' in the"),
        (
            {"document_prompt": "x"},
            r"document_prompt \(prompts\.document\) is 'text: ' in .*, but 'x' in the",
        ),
    ],
)
@pytest.mark.parametrize("merged", [False, True])
def test_an_entry_may_not_contradict_what_lies_beside_the_adapter(
    models: Path, change: dict[str, object], message: str | None, merged: bool
) -> None:
    for name, content in SETTINGS.items():
        (models / "adapter" / name).parent.mkdir(exist_ok=True)
        (models / "adapter" / name).write_text(json.dumps(content))
    right = replace(tuned(models), query_prompt="query: ", document_prompt="text: ")
    if merged:
        ready_weights(right, cache=models / "cache")
    spec = replace(right, **change)  # type: ignore[arg-type]  # fields of several types
    if message is None:
        assert ready_weights(spec, cache=models / "cache").is_dir()
        return
    with pytest.raises(ModelUnavailableError, match=rf"^model 'tuned': {message}"):
        ready_weights(spec, cache=models / "cache")


def test_an_adapter_of_another_base_is_refused_though_it_would_fit(models: Path) -> None:
    file = models / "adapter" / "provenance.json"
    file.write_text(json.dumps({"base": "other"}))
    message = f"model 'tuned': its adapter was made for other ({file}), and the entry's source names base;"
    with pytest.raises(ModelUnavailableError, match=f"^{re.escape(message)}"):
        ready_weights(tuned(models), cache=models / "cache")
    write_registry(models, base="other")
    assert ready_weights(tuned(models), cache=models / "cache").is_dir()
    file.write_text("{")
    with pytest.raises(ModelUnavailableError, match=r"provenance\.json cannot be read"):
        ready_weights(tuned(models), cache=models / "cache")
