"""LoRA adapters between adapters: nearer to the base, and the mean of several at the rank of one.

An adapter changes a layer's weights by alpha / r * B A. To give the base a share of the weights is therefore
to scale alpha, exactly. A mean of n such products has up to n times their rank; the nearest matrix of rank r
is its truncated SVD (Eckart & Young, 1936). What is cut off is reported, and a candidate is scored as it
is published: after the cut.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsearch.encoders.adapter_files import CONFIG, WEIGHTS
from medsearch.errors import MedsearchError
from medsearch.index.manifest import replace_file
from pipeline.training.weights.averaging import Tensors, read_tensors, write_tensors

Matrix = NDArray[np.float32]

_A, _B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True, slots=True)
class Adapter:
    """peft's settings and matrices: for each layer A of shape (r, inputs) and B of shape (outputs, r)."""

    settings: dict[str, Any]
    tensors: Tensors

    @property
    def factor(self) -> float:
        """What B A is multiplied by."""
        rank: int = self.settings["r"]
        alpha: float = self.settings["lora_alpha"]
        return alpha / (math.sqrt(rank) if self.settings.get("use_rslora") else rank)

    def layers(self) -> list[str]:
        """The layers that it changes."""
        return sorted(name.removesuffix(_A) for name in self.tensors if name.endswith(_A))

    def sides(self, layer: str) -> tuple[Matrix, Matrix]:
        """(A, B) of a layer."""
        a, b = (self.tensors[layer + side].astype(np.float32) for side in (_A, _B))
        return a, b


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        MedsearchError: a file is missing or damaged.
    """
    try:
        settings = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MedsearchError(f"{folder / CONFIG} cannot be read ({error})") from None
    return Adapter(settings, read_tensors(folder / WEIGHTS))


def mean_adapter(adapters: Sequence[Adapter]) -> tuple[Adapter, float]:
    """The mean at the rank of the last, and what share of its length (Frobenius norm) was cut off."""
    last = adapters[-1]
    if len(adapters) == 1:
        return last, 0.0
    if any(adapter.layers() != last.layers() for adapter in adapters):
        raise MedsearchError("the checkpoints' adapters change different layers: they are not of one run")
    tensors: dict[str, NDArray[Any]] = {}
    lost = whole = 0.0
    for layer in last.layers():
        a, b, singular = _mean_layer(adapters, layer, last.settings["r"])
        root = np.sqrt(singular[: len(a)])
        tensors[layer + _A] = root[:, None] * a
        tensors[layer + _B] = b * root / np.float32(last.factor)
        lost += float(np.square(singular[len(a) :]).sum())
        whole += float(np.square(singular).sum())
    return Adapter(last.settings, tensors), (lost / whole) ** 0.5 if whole else 0.0


def nearer_to_base(adapter: Adapter, share: float) -> Adapter:
    """The adapter that gives the base `share` of the weights."""
    alpha = adapter.settings["lora_alpha"] * (1 - share)
    return Adapter({**adapter.settings, "lora_alpha": alpha}, adapter.tensors)


def write_adapter(adapter: Adapter, folder: Path, base: str) -> None:
    """Write it as peft does, in float16 (half the size), saying that it is one of the model `base`.

    What is merged, scored and published is read from these files, so that rounding is in all of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told below
        halved = {name: tensor.astype(np.float16) for name, tensor in adapter.tensors.items()}
    if not all(np.isfinite(tensor).all() for tensor in halved.values()):
        raise MedsearchError("the adapter has numbers that float16 does not: training went astray")
    write_tensors(halved, folder / WEIGHTS)
    targets = sorted(adapter.settings.get("target_modules") or ())
    settings = {
        **adapter.settings,
        "base_model_name_or_path": base,
        "inference_mode": True,
        "target_modules": targets,
    }
    replace_file(folder / CONFIG, json.dumps(settings, indent=2, sort_keys=True).encode() + b"\n")


def _mean_layer(adapters: Sequence[Adapter], layer: str, rank: int) -> tuple[Matrix, Matrix, Matrix]:
    """Rows and columns of the mean's best `rank` directions, and all of its singular values."""
    sides = [(adapter.sides(layer), adapter.factor) for adapter in adapters]
    a = np.concatenate([each for (each, _), _ in sides])  # (n r, inputs)
    b = np.concatenate([each * factor / len(sides) for (_, each), factor in sides], axis=1)  # (outputs, n r)
    across, left = np.linalg.qr(b)
    along, right = np.linalg.qr(a.T)
    u, singular, v = np.linalg.svd(left @ right.T)
    return v[:rank] @ along.T, across @ u[:, :rank], singular
