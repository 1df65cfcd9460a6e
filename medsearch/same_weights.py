"""Whether two models of different names are the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Spec = Mapping[str, Any]
"""A `ModelSpec` as a table, as in results; fields may be missing."""


def same_weights(one: Spec, other: Spec) -> bool:
    """Whether both are of the same source and revision, or of the same SHA-256.

    A folder is one source whatever revision is written beside it, unless the weights that lay in it are known
    to be different ones. Models without a source are never the same.
    """
    ours, theirs = str(one.get("sha256") or ""), str(other.get("sha256") or "")
    if ours and theirs:
        return ours == theirs and _same_base(one, other)
    return bool(one.get("source")) and _origin(one) == _origin(other)


def _origin(spec: Spec) -> tuple[str, str]:
    """Source and revision in one spelling."""
    scheme, _, rest = str(spec.get("source") or "").partition(":")
    if scheme == "adapter":
        return f"adapter:{rest}", ""
    if scheme == "path":
        return f"path:{Path(rest).expanduser().resolve()}", ""
    # The hub takes the names of its repositories in any case.
    source = f"hub:{rest.casefold()}" if scheme == "hub" else f"{scheme}:{rest}"
    return source, str(spec.get("revision") or "")


def _same_base(one: Spec, other: Spec) -> bool:
    """Whether both adapters change the same weights, wherever these lie; true of models that are none.

    One adapter on two bases is two models.
    """
    ours, theirs = _base(one), _base(other)
    if ours["sha256"] and theirs["sha256"]:
        return ours["sha256"] == theirs["sha256"]
    return _origin(ours) == _origin(theirs)


def _base(spec: Spec) -> dict[str, str]:
    """What an adapter changes, as its parameters name it; every field is empty for all other models."""
    parameters = spec.get("parameters") or {}
    return {part: str(parameters.get(f"base_{part}") or "") for part in ("source", "revision", "sha256")}
