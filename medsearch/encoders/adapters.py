"""Adapters: models that are small LoRA weights on a base model of the registry, and what it knows of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from medsearch.adapter_source import split_adapter
from medsearch.errors import UsageError
from medsearch.types import ModelKind, ModelSpec

_OF_BASE = ("source", "revision", "sha256")
"""Fields of the base that say which weights it has; parameters of an adapter, as "base_source" and so on."""


def is_adapter(spec: ModelSpec) -> bool:
    """Whether the model is an adapter on another one."""
    return split_adapter(spec.source) is not None


def attached(spec: ModelSpec, registry: Mapping[str, ModelSpec], *, file: str) -> ModelSpec:
    """The adapter's spec with the base's source and pins among its parameters: its vectors depend on them.

    The base's family is its family too, unless it names one. One of late interaction has dimensions of its
    own: those of the projection that it brings.

    Raises:
        UsageError: The base is unknown, not dense or an adapter itself, or has another dimension than a dense
            adapter; the message names the file, the entry and the key.
    """
    where = f"{file}: [{spec.name}]"
    name = (split_adapter(spec.source) or ("", ""))[1]
    base = registry.get(name)
    if base is None:
        close = get_close_matches(name.lower(), registry, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(registry))}"
        raise UsageError(f"{where}: source: there is no model {name!r} to adapt; {hint}")
    if is_adapter(base):
        raise UsageError(f"{where}: source: {name} is an adapter itself; name the model that it adapts")
    if base.kind is not ModelKind.DENSE:
        raise UsageError(f"{where}: source: {name} is {base.kind}; only dense models are adapted")
    if spec.kind is ModelKind.DENSE and base.dim != spec.dim:
        raise UsageError(f"{where}: dim: must be {base.dim}, as that of {name} is, not {spec.dim}")
    of_base = {f"base_{field}": str(getattr(base, field)) for field in _OF_BASE}
    family = spec.family or base.family or base.name
    return replace(spec, parameters={**spec.parameters, **of_base}, family=family)


def base_of(spec: ModelSpec) -> ModelSpec | None:
    """The model that an adapter of the registry changes; `None` for a model that is no adapter.

    It says whose weights they are and how they are pinned; all other fields are the adapter's own.
    """
    parts = split_adapter(spec.source)
    if parts is None:
        return None
    source, revision, sha256 = (str(spec.parameters.get(f"base_{field}", "")) for field in _OF_BASE)
    return replace(
        spec, name=parts[1], source=source, revision=revision, sha256=sha256, parameters={}, family=""
    )
