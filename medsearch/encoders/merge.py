"""Merges a LoRA adapter into its base model's weights: W + alpha / r * B A (Hu et al., ICLR 2022).

With numpy and safetensors alone: no torch, no peft, and not one tensor that is not understood.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsearch.encoders.adapter_files import CONFIG, WEIGHTS

MERGE_VERSION = 1
"""Part of the cache's key: raise it when what is written here changes."""

_MATRIX = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.weight")

_NO_MATTER = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "exclude_modules", "inference_mode", "layers_pattern",
        "layers_to_transform", "lora_dropout", "megatron_core", "peft_version", "qalora_group_size",
        "revision", "target_modules", "task_type",
    }
)  # fmt: skip
"""Settings that tell how an adapter was trained, and change nothing of what its matrices mean."""

_HARMLESS_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Of `init_lora_weights`; others, such as "pissa", change the base's weights too."""

_Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a product of rank `rank` is multiplied by."""

    rank: int
    factor: float


def merge_adapter(base: Path, adapter: Path, target: Path) -> None:
    """Write the weights of the model in `base`, changed by the adapter in `adapter`, into the file `target`.

    Every tensor keeps the base's number type; sums are in float32.

    Raises:
        ValueError: A file is damaged, the adapter has anything but LoRA matrices of linear layers, or it is
            one of another base; the message names the file, and the setting or the tensor.
    """
    from safetensors.numpy import save_file

    scale = _scale(adapter / CONFIG)
    matrices = _read(adapter / WEIGHTS)
    weights = _read(base / "model.safetensors")
    for layer, a, b in _pairs(matrices, adapter / WEIGHTS):
        name = _base_tensor(layer, weights, adapter / WEIGHTS)
        _check_fit(f"{adapter / WEIGHTS}: {layer}", a, b, weights[name], scale.rank)
        weights[name] = _sum(weights[name], a, b, scale.factor)
        if not np.isfinite(weights[name]).all():
            raise ValueError(
                f"{adapter / WEIGHTS}: {layer}: merged into the base's {name}, it has numbers that are not"
                f" finite in {weights[name].dtype}: adapter or base are damaged, or lora_alpha is too high"
            )
    save_file(weights, target, metadata={"format": "pt"})


def _scale(file: Path) -> _Scale:
    """Refuses by a closed list: a setting that is not known here, and set, may change what is computed."""
    try:
        settings = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error})") from None
    if not isinstance(settings, dict) or settings.get("peft_type") != "LORA":
        raise ValueError(f"{file} is not of a LoRA adapter, and no other kind is merged")
    rank, alpha = settings.pop("r", None), settings.pop("lora_alpha", None)
    if not isinstance(rank, int) or rank < 1 or not _is_finite(alpha):
        raise ValueError(f"{file}: r and lora_alpha must be numbers above 0, not {rank!r} and {alpha!r}")
    root = settings.pop("use_rslora", False)
    known = {"peft_type": "LORA", "bias": "none"}
    for key, value in settings.items():
        harmless = value in _HARMLESS_STARTS if key == "init_lora_weights" else value == known.get(key)
        if value and key not in _NO_MATTER and not harmless:
            raise ValueError(f"{file}: {key} is {json.dumps(value)[:60]}, which cannot be merged here")
    # Rank-stabilised LoRA divides by the root of the rank (Kalajdzievski, 2023).
    return _Scale(rank, alpha / (math.sqrt(rank) if root else rank))


def _is_finite(value: object) -> bool:
    """Whether it is a number that float32 holds; JSON in Python has NaN, Infinity and numbers of any size."""
    return isinstance(value, int | float) and abs(value) <= float(np.finfo(np.float32).max)


def _sum(weight: NDArray[Any], a: NDArray[Any], b: NDArray[Any], factor: float) -> NDArray[Any]:
    """W + factor * B A in float32, as the base's number type; what that cannot hold becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        change = b.astype(np.float32) @ a.astype(np.float32) * np.float32(factor)
        merged: NDArray[Any] = (weight.astype(np.float32) + change).astype(weight.dtype)
    return merged


def _read(file: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, TypeError) as error:  # TypeError: a number type that numpy lacks
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{file} cannot be read ({reason}); it must be whole, and float32 or float16"
        ) from None


def _pairs(matrices: _Tensors, file: Path) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """(layer, A, B) for each layer that the adapter changes."""
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for name, matrix in matrices.items():
        found = _MATRIX.fullmatch(name)
        if found is None:
            raise ValueError(
                f"{file}: {name} is no LoRA matrix of a linear layer, and nothing else is merged"
            )
        if not np.isfinite(matrix.astype(np.float32)).all():
            raise ValueError(f"{file}: {name} has numbers that are not finite")
        layers.setdefault(found["layer"], {})[found["side"]] = matrix
    if not layers:
        raise ValueError(f"{file} has no LoRA matrices")
    for layer, sides in layers.items():
        if len(sides) < 2:
            raise ValueError(
                f"{file}: {layer} has only lora_{next(iter(sides))}, and needs lora_A and lora_B"
            )
        yield layer, sides["A"], sides["B"]


def _base_tensor(layer: str, weights: _Tensors, file: Path) -> str:
    """The base's tensor of this layer; a model that was saved with a head has a prefix before it."""
    name = f"{layer}.weight"
    found = [name] if name in weights else [each for each in weights if each.endswith(f".{name}")]
    if len(found) != 1:
        raise ValueError(f"{file}: the base has no tensor {name}: this is an adapter of another model")
    return found[0]


def _check_fit(where: str, a: NDArray[Any], b: NDArray[Any], weight: NDArray[Any], rank: int) -> None:
    """A is (rank, inputs), B (outputs, rank), and the base's weight (outputs, inputs)."""
    if weight.ndim != 2 or a.shape != (rank, weight.shape[1]) or b.shape != (weight.shape[0], rank):
        raise ValueError(
            f"{where}: lora_A is {a.shape} and lora_B {b.shape}, but the base's weight is {weight.shape} and"
            f" r is {rank}: this is an adapter of another model"
        )
