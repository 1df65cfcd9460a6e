"""One adapter in place of two: of a model that was tuned from a model that is an adapter itself.

Changes of one layer add up, alpha1 / r1 * B1 A1 + alpha2 / r2 * B2 A2, and a sum of two products is one of
rank r1 + r2: the A side by side as rows, the B as columns. Nothing is lost but the rounding to float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.weights.adapter_averaging import Adapter, Matrix

_A, _B = ".lora_A.weight", ".lora_B.weight"


def stacked(under: Adapter, over: Adapter) -> Adapter:
    """The adapter that does to the lowest base what `over` does to that base with `under` merged in.

    Its rank is the sum of both; a layer that only one of them changes has zeros for the other.
    """
    ranks = (under.settings["r"], over.settings["r"])
    tensors: dict[str, NDArray[Any]] = {}
    for layer in sorted({*under.layers(), *over.layers()}):
        sides = [_sides(adapter, layer) for adapter in (under, over)]
        inputs, outputs = next((a.shape[1], b.shape[0]) for found in sides if found for a, b in [found])
        whole = [
            found or (np.zeros((rank, inputs), np.float32), np.zeros((outputs, rank), np.float32))
            for found, rank in zip(sides, ranks, strict=True)
        ]
        tensors[layer + _A] = np.concatenate([a for a, _ in whole])
        tensors[layer + _B] = np.concatenate([b for _, b in whole], axis=1)
    targets = {*(under.settings.get("target_modules") or ()), *(over.settings.get("target_modules") or ())}
    rank = sum(ranks)
    both = {"r": rank, "lora_alpha": rank, "use_rslora": False, "target_modules": sorted(targets)}
    return Adapter({**over.settings, **both}, tensors)


def _sides(adapter: Adapter, layer: str) -> tuple[Matrix, Matrix] | None:
    """(A, B) of a layer, the adapter's factor shared by both so that neither is lost in float16."""
    if layer + _A not in adapter.tensors:
        return None
    a, b = adapter.sides(layer)
    root = np.float32(abs(adapter.factor) ** 0.5)
    return a * root, b * root * np.float32(np.sign(adapter.factor))
