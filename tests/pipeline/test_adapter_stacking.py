"""Two adapters, one on the other, become one that does the same to the model under both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_adapter import make_tiny_adapter
from tiny_bert import make_tiny_bert

from medsearch.encoders.merge import merge_adapter
from pipeline.training.weights.adapter_averaging import Adapter, read_adapter, write_adapter
from pipeline.training.weights.adapter_stacking import stacked

LAYERS = ["query", "key", "value"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("stacking") / "base")


@pytest.mark.parametrize("over_targets", [LAYERS, ["value", "dense"]])
@pytest.mark.parametrize("rslora", [False, True])
def test_one_merge_does_what_two_did(
    base: Path, tmp_path: Path, over_targets: list[str], rslora: bool
) -> None:
    under = make_tiny_adapter(base, tmp_path / "under", seed=1, r=3, lora_alpha=7, use_rslora=rslora)
    (tmp_path / "middle").mkdir()
    merge_adapter(base, under, tmp_path / "middle" / "model.safetensors")
    over = make_tiny_adapter(base, tmp_path / "over", seed=2, r=5, target_modules=over_targets)
    merge_adapter(tmp_path / "middle", over, tmp_path / "twice.safetensors")

    both = stacked(read_adapter(under), read_adapter(over))
    assert both.settings["r"] == 8
    assert both.factor == 1.0
    write_adapter(both, tmp_path / "both", "tiny-base")
    merge_adapter(base, tmp_path / "both", tmp_path / "once.safetensors")
    once, twice = load_file(tmp_path / "once.safetensors"), load_file(tmp_path / "twice.safetensors")
    assert once.keys() == twice.keys()
    for name, tensor in twice.items():  # float16 keeps eleven bits of each matrix
        np.testing.assert_allclose(once[name], tensor, atol=2e-3 * max(1.0, float(np.abs(tensor).max())))
    changed = {
        name for name, tensor in load_file(base / "model.safetensors").items() if (tensor != once[name]).any()
    }
    assert any("value" in name for name in changed)


def test_a_negative_factor_stays_negative(base: Path, tmp_path: Path) -> None:
    one = read_adapter(make_tiny_adapter(base, tmp_path / "one"))
    against = Adapter({**one.settings, "lora_alpha": -one.settings["lora_alpha"]}, one.tensors)
    nothing = stacked(one, against)
    for layer in nothing.layers():
        a, b = nothing.sides(layer)
        np.testing.assert_allclose(b @ a, 0, atol=1e-5)
