"""Weights between weights: the mean of checkpoints, and a tuned model mixed with its base.

Averages along one training run are often better than its end (Izmailov et al., UAI 2018), and mixing with the
base keeps more of what it knew (Wortsman et al., CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsearch.errors import MedsearchError

Tensors = Mapping[str, NDArray[Any]]
"""A safetensors file: name -> tensor."""


def read_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file.

    Raises:
        MedsearchError: it is missing or damaged, or its numbers are of a type that numpy lacks.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MedsearchError(
            f"{file} cannot be read ({reason}): it must be whole, and float32 or float16"
        ) from None


def mean_weights(files: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """The mean of every tensor, summed in float32; each keeps the number type that it has in the last file.

    Raises:
        MedsearchError: a file cannot be read, or they are not of one model.
    """
    whole = [read_tensors(file) for file in files]
    names = whole[-1].keys()
    for file, tensors in zip(files, whole, strict=True):
        if tensors.keys() != names or any(tensors[name].shape != whole[-1][name].shape for name in names):
            raise MedsearchError(f"{file} has other tensors than {files[-1]}: they are not of one model")
    return {
        name: _rounded(sum(tensors[name].astype(np.float32) for tensors in whole) / len(whole), of_last)
        for name, of_last in whole[-1].items()
    }


def mixed_with_base(
    tuned: Tensors, base: Tensors, share: float, *, where: str = ""
) -> dict[str, NDArray[Any]]:
    """`share` of the base's weights and the rest of the tuned ones; `where` names the tuned model.

    A base that was saved with a head has a prefix before its tensors' names.

    Raises:
        MedsearchError: the base lacks a tensor, or has another shape: the tuned is no child of it.
    """
    if not share:
        return dict(tuned)
    mixed = {}
    for name, tensor in tuned.items():
        found = [name] if name in base else [other for other in base if other.endswith(f".{name}")]
        if len(found) != 1 or base[found[0]].shape != tensor.shape:
            raise MedsearchError(
                f"{where}: the base has no tensor {name} of this shape: it was made from another model"
            )
        both = share * base[found[0]].astype(np.float32) + (1 - share) * tensor.astype(np.float32)
        mixed[name] = _rounded(both, tensor)
    return mixed


def write_tensors(tensors: Tensors, file: Path) -> None:
    """Write a safetensors file that torch loads."""
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(contiguous, file, metadata={"format": "pt"})


def _rounded(values: Any, like: NDArray[Any]) -> NDArray[Any]:
    """In the number type of `like`; whole numbers, such as positions, stay as they are."""
    if not np.issubdtype(like.dtype, np.floating):
        return like
    return np.asarray(values, dtype=like.dtype)
