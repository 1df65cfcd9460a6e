"""Merging gives peft's own numbers, and refuses whatever it does not understand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_adapter import adapted_model, make_tiny_adapter
from tiny_bert import make_tiny_bert

from medsearch.encoders.merge import merge_adapter

QUERY = "encoder.layer.0.attention.self.query"
QUERY_A = f"base_model.model.{QUERY}.lora_A.weight"
QUERY_B = f"base_model.model.{QUERY}.lora_B.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    return make_tiny_adapter(base, tmp_path_factory.mktemp("lora") / "adapter")


@pytest.fixture
def adapter(tmp_path: Path, made: Path) -> Path:
    """A copy that a test may spoil."""
    (folder := tmp_path / "adapter").mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_bytes((made / name).read_bytes())
    return folder


def merged(base: Path, adapter: Path, tmp_path: Path) -> dict[str, Any]:
    merge_adapter(base, adapter, tmp_path / "merged.safetensors")
    return load_file(tmp_path / "merged.safetensors")


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"target_modules": ["query"], "r": 2}])
def test_merged_weights_are_those_of_peft(base: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    model = adapted_model(base, **settings)
    model.save_pretrained(tmp_path / "adapter")
    found = merged(base, tmp_path / "adapter", tmp_path)
    before = load_file(base / "model.safetensors")
    wanted = {name: tensor.numpy() for name, tensor in model.merge_and_unload().state_dict().items()}
    assert set(found) == set(before)
    for name, tensor in found.items():
        assert tensor.dtype == before[name].dtype
        np.testing.assert_allclose(tensor, wanted[name], rtol=0, atol=1e-6, err_msg=name)
    changed = {name for name in found if not np.array_equal(found[name], before[name])}
    layers = settings.get("target_modules") or ["query", "key", "value", "dense"]
    assert changed == {name for name in before if name.split(".")[-2] in layers and name.endswith("weight")}


def test_the_product_by_hand(base: Path, adapter: Path, tmp_path: Path) -> None:
    before, matrices = load_file(base / "model.safetensors"), load_file(adapter / "adapter_model.safetensors")
    by_hand = before[f"{QUERY}.weight"] + 6 / 4 * matrices[QUERY_B] @ matrices[QUERY_A]
    found = merged(base, adapter, tmp_path)[f"{QUERY}.weight"]
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert np.abs(found - before[f"{QUERY}.weight"]).max() > 0.01


def test_a_half_precision_adapter_is_added_in_full_precision(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    matrices = load_file(adapter / "adapter_model.safetensors")
    halves = {name: matrix.astype(np.float16) for name, matrix in matrices.items()}
    save_file(halves, adapter / "adapter_model.safetensors")
    found = merged(base, adapter, tmp_path)[f"{QUERY}.weight"]
    a, b = (halves[name].astype(np.float32) for name in (QUERY_A, QUERY_B))
    before = load_file(base / "model.safetensors")[f"{QUERY}.weight"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, before + 1.5 * b @ a, atol=1e-6)


def test_a_base_that_was_saved_with_a_head_is_merged_under_its_own_names(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    plain = merged(base, adapter, tmp_path)
    (headed := tmp_path / "headed").mkdir()
    weights = load_file(base / "model.safetensors")
    save_file({f"bert.{name}": tensor for name, tensor in weights.items()}, headed / "model.safetensors")
    found = merged(headed, adapter, tmp_path)
    assert set(found) == {f"bert.{name}" for name in plain}
    assert all(np.array_equal(found[f"bert.{name}"], tensor) for name, tensor in plain.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "LOHA"}, "is not of a LoRA adapter"),
        ({"use_dora": True}, "use_dora is true, which cannot be merged here"),
        ({"bias": "all"}, 'bias is "all", which cannot'),
        ({"modules_to_save": ["pooler"]}, r'modules_to_save is \["pooler"\], which cannot'),
        ({"alpha_pattern": {"query": 3}}, r'alpha_pattern is \{"query": 3\}, which cannot'),
        ({"fan_in_fan_out": True}, "fan_in_fan_out is true, which cannot"),
        ({"init_lora_weights": "pissa"}, 'init_lora_weights is "pissa", which cannot'),
        ({"of_a_later_peft": 1}, "of_a_later_peft is 1, which cannot"),
        ({"r": 0}, "r and lora_alpha must be numbers above 0, not 0 and 6"),
        ({"lora_alpha": None}, "r and lora_alpha must be numbers above 0, not 4 and None"),
        ({"lora_alpha": float("nan")}, "r and lora_alpha must be numbers above 0, not 4 and nan"),
        ({"lora_alpha": float("inf")}, "r and lora_alpha must be numbers above 0, not 4 and inf"),
        ({"lora_alpha": 10**400}, "r and lora_alpha must be numbers above 0, not 4 and 1000"),
        ({"r": 8}, r"lora_A is \(4, 32\) .* and r is 8: this is an adapter of another model"),
    ],
)
def test_a_setting_that_changes_the_sum_is_refused(
    base: Path, adapter: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=message) as error:
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")
    assert str(adapter) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "merged.safetensors").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["pooler"]},
        {"target_modules": ["word_embeddings"]},
    ],
)
def test_what_peft_writes_of_other_kinds_is_refused_by_its_tensors_too(
    base: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Though the settings deny it."""
    adapter = make_tiny_adapter(base, tmp_path / "adapter", **settings)
    denied = {"use_dora": False, "bias": "none", "modules_to_save": None}
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | denied))
    with pytest.raises(ValueError, match="is no LoRA matrix of a linear layer, and nothing else is merged"):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")


@pytest.mark.parametrize(("alpha", "kept"), [(6, True), (1e7, False)])
def test_a_sum_that_half_precision_cannot_hold_is_refused(
    base: Path, adapter: Path, tmp_path: Path, alpha: float, kept: bool
) -> None:
    (halved := tmp_path / "halved").mkdir()
    halves = {name: one.astype(np.float16) for name, one in load_file(base / "model.safetensors").items()}
    save_file(halves, halved / "model.safetensors")
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lora_alpha": alpha}))
    if kept:
        assert merged(halved, adapter, tmp_path)[f"{QUERY}.weight"].dtype == np.float16
        return
    with pytest.raises(ValueError, match=r"safetensors: encoder\.layer\..* are not finite in float16: ada"):
        merge_adapter(halved, adapter, tmp_path / "merged.safetensors")
    assert not (tmp_path / "merged.safetensors").exists()


def spoilt(adapter: Path, name: str, tensor: Any) -> None:
    """Put another tensor under this name; `None` takes it away."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    tensors |= {name: tensor}
    kept = {each: value for each, value in tensors.items() if value is not None}
    save_file(kept, adapter / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (QUERY_B, None, f"{QUERY} has only lora_A, and needs lora_A and lora_B"),
        (QUERY_B, np.full((32, 4), np.nan, np.float32), "lora_B.weight has numbers that are not finite"),
        (
            QUERY_B,
            np.ones((48, 4), np.float32),
            rf"{QUERY}: lora_A is \(4, 32\) and lora_B \(48, 4\), but the",
        ),
        (QUERY_A, np.ones((4, 48), np.float32), rf"{QUERY}: lora_A is \(4, 48\) .* weight is \(32, 32\)"),
        (
            "base_model.model.encoder.layer.2.output.dense.lora_A.weight",
            np.ones((4, 64), np.float32),
            r"encoder\.layer\.2\.output\.dense has only lora_A",
        ),
        ("base_model.model.0.x.bias", np.ones(4, np.float32), "0.x.bias is no LoRA matrix"),
    ],
)
def test_an_adapter_of_another_shape_is_named_by_its_tensor(
    base: Path, adapter: Path, tmp_path: Path, name: str, tensor: Any, message: str
) -> None:
    spoilt(adapter, name, tensor)
    with pytest.raises(ValueError, match=message):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")


def test_an_adapter_of_more_layers_than_the_base_is_named_by_its_tensor(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    for side, shape in (("A", (4, 32)), ("B", (32, 4))):
        name = f"base_model.model.encoder.layer.7.attention.self.key.lora_{side}.weight"
        spoilt(adapter, name, np.ones(shape, np.float32))
    with pytest.raises(
        ValueError,
        match=r"the base has no tensor encoder\.layer\.7\.attention\.self\.key\.weight: this is an",
    ):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x10\0\0\0\0\0\0\0{}"])
def test_damaged_files_are_named(base: Path, adapter: Path, tmp_path: Path, content: bytes) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors cannot be read .*; it must be whole"):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")
    (adapter / "adapter_config.json").write_bytes(content + b"\xff")
    with pytest.raises(ValueError, match=r"adapter_config\.json is damaged"):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")


def test_an_adapter_without_matrices_and_one_in_bfloat16_are_named(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    save_file({}, adapter / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors has no LoRA matrices"):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")
    import torch
    from safetensors.torch import save_file as save_torch

    save_torch({QUERY_A: torch.ones(4, 32, dtype=torch.bfloat16)}, adapter / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="it must be whole, and float32 or float16"):
        merge_adapter(base, adapter, tmp_path / "merged.safetensors")
