"""With the real model: an adapter is the same in serving as in the reference, and changes the vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_adapter import make_tiny_adapter

from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.encoders.weights import locate_weights

TEXTS = [
    "chest pain after eating",
    "fever",
    "",
    "the dose of a drug in a child with high blood pressure, " * 30,
    "What are the symptoms of a heart attack?",
]


@pytest.mark.slow
def test_an_adapter_of_minilm_is_the_same_in_both_backends_and_not_minilm(tmp_path: Path) -> None:
    minilm = load_registry()["minilm"]
    make_tiny_adapter(locate_weights(minilm), tmp_path / "adapter", r=8)
    shrink(tmp_path / "adapter" / "adapter_model.safetensors")
    entry = f"""[tuned]\nsource = "adapter:{tmp_path / "adapter"}@minilm"\nrevision = "1"\nkind = "dense"
pooling = "mean"\nmax_tokens = 256\ndim = 384\nlicence = "mit"\n"""
    (tmp_path / "models.toml").write_text(entry)
    spec = load_registry(tmp_path / "models.toml", cache=tmp_path)["tuned"]
    texts = TEXTS
    serving, reference, base = (
        load_encoder(model, cache=tmp_path, backend=backend).encode_documents(texts)
        for model, backend in (
            (spec, Backend.ONNX),
            *((each, Backend.TRANSFORMER) for each in (spec, minilm)),
        )
    )
    assert (serving * reference).sum(axis=1).min() > 0.9999
    cosines = (reference * base).sum(axis=1)
    assert cosines.max() < 0.999
    assert cosines.min() > 0.3, "a small change of the weights is a small change of the vectors"


def shrink(file: Path) -> None:
    """Make B small, as training leaves it."""
    tensors = load_file(file)
    save_file({name: t * np.float32(0.2 if "lora_B" in name else 1) for name, t in tensors.items()}, file)
