"""Averages of weights: exact for whole ones, and for an adapter and its base; the nearest for adapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_adapter import make_tiny_adapter
from tiny_bert import make_tiny_bert

from medsearch.encoders.merge import merge_adapter
from medsearch.errors import MedsearchError
from pipeline.training.weights.adapter_averaging import (
    Adapter,
    mean_adapter,
    nearer_to_base,
    read_adapter,
    write_adapter,
)
from pipeline.training.weights.averaging import mean_weights, mixed_with_base, read_tensors, write_tensors

LAYER = "base_model.model.encoder.layer.0.attention.self.query"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("averaging") / "base")


def merged(base: Path, adapter: Adapter, folder: Path) -> dict[str, np.ndarray]:
    write_adapter(adapter, folder, "tiny-base")
    merge_adapter(base, folder, folder / "merged.safetensors")
    return load_file(folder / "merged.safetensors")


def product(adapter: Adapter, layer: str) -> np.ndarray:
    a, b = adapter.sides(layer)
    return adapter.factor * b @ a


def test_the_mean_of_files_keeps_types_and_whole_numbers(tmp_path: Path) -> None:
    files = []
    for number in (1, 2, 6):
        half = np.full((2,), number, dtype=np.float16)
        save_file({"w": half, "ids": np.arange(3)}, tmp_path / f"{number}.safetensors")
        files.append(tmp_path / f"{number}.safetensors")
    mean = mean_weights(files)
    assert mean["w"].dtype == np.float16
    assert mean["w"].tolist() == [3.0, 3.0]
    assert mean["ids"].tolist() == [0, 1, 2]


def test_a_share_of_the_base_is_a_straight_line_between_the_two() -> None:
    tuned = {"w": np.array([1.0, 2.0], dtype=np.float32)}
    base = {"bert.w": np.array([3.0, -2.0], dtype=np.float32), "pooler": np.zeros(1)}
    assert mixed_with_base(tuned, base, 0.25)["w"].tolist() == [1.5, 1.0]
    assert mixed_with_base(tuned, {}, 0.0)["w"].tolist() == [1.0, 2.0]


def test_what_is_not_of_one_model_is_refused(tmp_path: Path) -> None:
    save_file({"w": np.zeros(2, dtype=np.float32)}, tmp_path / "a.safetensors")
    save_file({"w": np.zeros(3, dtype=np.float32)}, tmp_path / "b.safetensors")
    with pytest.raises(MedsearchError, match=r"a\.safetensors has other tensors than .*b\.safetensors"):
        mean_weights([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
    tensors = read_tensors(tmp_path / "a.safetensors")
    with pytest.raises(MedsearchError, match="mine: the base has no tensor w of this shape"):
        mixed_with_base(tensors, read_tensors(tmp_path / "b.safetensors"), 0.5, where="mine")
    (tmp_path / "a.safetensors").write_bytes(b"damage")
    with pytest.raises(MedsearchError, match=r"a\.safetensors cannot be read .* must be whole"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_scaling_an_adapter_is_mixing_its_merged_weights_with_the_base(
    base: Path, tmp_path: Path, share: float, rslora: bool
) -> None:
    adapter = read_adapter(make_tiny_adapter(base, tmp_path / "adapter", use_rslora=rslora))
    whole = merged(base, adapter, tmp_path / "whole")
    scaled = merged(base, nearer_to_base(adapter, share), tmp_path / "scaled")
    mixed = mixed_with_base(whole, load_file(base / "model.safetensors"), share)
    for name, tensor in mixed.items():
        np.testing.assert_allclose(scaled[name], tensor, atol=2e-6)


def test_a_written_adapter_is_half_as_large_says_its_base_and_is_what_peft_loads(
    base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    made = make_tiny_adapter(base, tmp_path / "made")
    ours = merged(base, nearer_to_base(read_adapter(made), 0.5), tmp_path / "ours")
    assert (
        load_file(tmp_path / "ours" / "adapter_model.safetensors")[f"{LAYER}.lora_A.weight"].dtype
        == np.float16
    )
    settings = json.loads((tmp_path / "ours" / "adapter_config.json").read_text("utf-8"))
    assert settings["base_model_name_or_path"] == "tiny-base"
    assert settings["lora_alpha"] == 3.0
    assert settings["target_modules"] == sorted(settings["target_modules"])
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path / "ours").merge_and_unload()
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            np.testing.assert_allclose(ours[name], tensor.numpy(), atol=2e-6)


def test_the_mean_of_adapters_is_the_nearest_of_its_rank(base: Path, tmp_path: Path) -> None:
    """Against numpy's own SVD of the whole matrix."""
    some = [read_adapter(make_tiny_adapter(base, tmp_path / str(seed), seed=seed)) for seed in (1, 2, 3)]
    mean, lost = mean_adapter(some)
    errors, lengths = 0.0, 0.0
    for layer in mean.layers():
        wanted = sum(product(adapter, layer) for adapter in some) / 3
        u, singular, v = np.linalg.svd(wanted, full_matrices=False)
        nearest = (u[:, :4] * singular[:4]) @ v[:4]
        np.testing.assert_allclose(product(mean, layer), nearest, atol=2e-5)
        errors += float(np.square(wanted - nearest).sum())
        lengths += float(np.square(wanted).sum())
    assert lost == pytest.approx((errors / lengths) ** 0.5, rel=1e-3)
    assert 0.1 < lost < 0.9
    assert {tensor.shape for tensor in mean.tensors.values()} == {t.shape for t in some[0].tensors.values()}


def test_the_mean_of_adapters_alike_loses_nothing(base: Path, tmp_path: Path) -> None:
    one = read_adapter(make_tiny_adapter(base, tmp_path / "one"))
    mean, lost = mean_adapter([one, nearer_to_base(one, 0.5)])
    assert lost < 1e-3
    for layer in one.layers():
        np.testing.assert_allclose(product(mean, layer), 0.75 * product(one, layer), atol=1e-5)
    assert mean_adapter([one]) == (one, 0.0)


def test_numbers_that_are_too_large_are_told(tmp_path: Path) -> None:
    wild = Adapter({"r": 1, "lora_alpha": 1}, {f"{LAYER}.lora_A.weight": np.array([[1e6]], dtype=np.float32)})
    with pytest.raises(MedsearchError, match="numbers that float16 does not"):
        write_adapter(wild, tmp_path / "wild", "base")
    write_tensors({"w": np.arange(4, dtype=np.float32).reshape(2, 2).T}, tmp_path / "t.safetensors")
    assert load_file(tmp_path / "t.safetensors")["w"].tolist() == [[0.0, 2.0], [1.0, 3.0]]
