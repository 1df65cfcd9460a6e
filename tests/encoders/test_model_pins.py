"""A model in a folder is pinned to all that determines its vectors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from registry_material import GOOD, written

from medsearch.encoders.onnx_cache import export_key
from medsearch.encoders.registry import load_registry
from medsearch.encoders.verify import files_digest, verify_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec


def test_a_model_in_a_folder_is_pinned_to_the_weights_that_lie_there_now(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    file = written(tmp_path, GOOD | {"source": f'"path:{folder}"'})
    assert load_registry(file, cache=tmp_path / "cache")["mine"].sha256 == "", "nothing is there to pin"
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    pins = []
    for weights in (b"first training", b"the second training"):
        (folder / "model.safetensors").write_bytes(weights)
        pins.append(load_registry(file, cache=tmp_path / "cache")["mine"])
        assert pins[-1].sha256 == hashlib.sha256(weights).hexdigest()
    assert pins[0].of_vectors != pins[1].of_vectors
    assert load_registry(file)["mine"].sha256 == ""


MODULES = '[{"path": ""}, {"path": "1_Pooling"}, {"path": "1_Dense"}]'
_PINNED = (
    "tokenizer.json",
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "1_Dense/model.safetensors",
)


@pytest.mark.parametrize("file", _PINNED)
def test_what_else_determines_the_vectors_of_a_folder_is_pinned_too(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "mine"
    for name in (*_PINNED, "model.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "modules.json").write_text(MODULES)
    entries = written(tmp_path, GOOD | {"source": f'"path:{folder}"'})

    def pinned() -> ModelSpec:
        return load_registry(entries, cache=tmp_path / "cache")["mine"]

    before = pinned()
    (folder / "provenance.json").write_text("{}")
    assert pinned() == before, "provenance changes no vector"
    (folder / "checkpoint-10").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "checkpoint-10" / name).write_text("{}")
    assert pinned() == before, "a trainer's checkpoint is no module"
    (folder / file).write_text(MODULES + " " if file == "modules.json" else '{"changed": 1}')
    after = pinned()
    assert after.sha256 == before.sha256
    assert after.of_vectors != before.of_vectors
    assert export_key(after, cache=tmp_path) != export_key(before, cache=tmp_path)
    with pytest.raises(
        ModelUnavailableError,
        match=r"'mine': the tokenizer, a setting or a projection in .* is not the pinned",
    ):
        verify_weights(before, folder, cache=tmp_path / "cache")


def test_the_digest_of_a_folder_without_a_projection_stays_as_it_was(tmp_path: Path) -> None:
    """As before projections were in it: else every index of a model in a folder would be made again."""
    contents = {
        "config.json": b"{}", "modules.json": MODULES.encode(), "tokenizer.json": b"[1]",
        "1_Pooling/config.json": b'{"a": 1}',
    }  # fmt: skip
    for name, content in {**contents, "model.safetensors": b"weights", "README.md": b"card"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    written = b"".join(f"{name} {len(content)}\n".encode() + content for name, content in contents.items())
    assert files_digest(tmp_path) == hashlib.sha256(written).hexdigest()[:12]


def test_the_digest_of_a_projection_is_remembered_while_its_size_and_time_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, folder = tmp_path / "cache", tmp_path / "mine"
    (folder / "1_Dense").mkdir(parents=True)
    (folder / "modules.json").write_text(MODULES)
    (weights := folder / "1_Dense" / "model.safetensors").write_bytes(b"first")
    found = files_digest(folder, cache=cache)
    assert found == files_digest(folder)
    read: list[Path] = []
    whole = Path.read_bytes

    def noted(file: Path) -> bytes:
        read.append(file)
        return whole(file)

    monkeypatch.setattr(Path, "read_bytes", noted)
    assert files_digest(folder, cache=cache) == found
    assert weights not in read, "it is large, and read at each load otherwise"
    weights.write_bytes(b"another")
    assert files_digest(folder, cache=cache) not in {found, ""}
    (folder / "modules.json").write_text("{")
    assert files_digest(folder, cache=cache) == files_digest(folder), "loading says that it is damaged"


@pytest.mark.parametrize("path", ["../elsewhere", "a/../../elsewhere"])
def test_only_folders_inside_of_a_model_are_its_modules(tmp_path: Path, path: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("1")
    (tmp_path / "mine" / "modules.json").write_text(json.dumps([{"path": path}]))
    before = files_digest(tmp_path / "mine")
    (tmp_path / "elsewhere" / "config.json").write_text("2")
    assert files_digest(tmp_path / "mine") == before
