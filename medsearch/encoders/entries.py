"""One registry entry, checked key by key, as a `ModelSpec`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from medsearch.adapter_source import split_adapter
from medsearch.errors import UsageError
from medsearch.types import ModelKind, ModelSpec, Pooling, SizeClass

_Choice = TypeVar("_Choice", bound=StrEnum)

_SOURCES = ("hub", "package", "path", "adapter", "builtin")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_KEYS = frozenset(ModelSpec.__dataclass_fields__) - {"name"}
_REQUIRED = {
    ModelKind.DENSE: ("source", "revision", "pooling", "max_tokens", "dim", "licence"),
    ModelKind.LATE_INTERACTION: ("source", "revision", "max_tokens", "dim", "licence"),
    ModelKind.SPARSE: ("source", "revision", "licence"),
}


_PARAMETERS = {
    ModelKind.DENSE: (),
    ModelKind.LATE_INTERACTION: ("token_pooling", "format"),
    ModelKind.SPARSE: ("k1", "b", "language"),
}
_FORMAT = "stanford"
"""The one `format` that is known, of what must be saved anew to be run; see `token_folder.check_format`."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A raw table of the file, and where it stands, for messages."""

    where: str
    values: Mapping[str, object]

    def wrong(self, key: str, what: str) -> UsageError:
        return UsageError(f"{self.where}: {key}: {what}")

    def text(self, key: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self.wrong(key, f"must be a string, not {value!r}")
        return value

    def number(self, key: str) -> int:
        value = self.values.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or (key in self.values and value < 1):
            raise self.wrong(key, f"must be a whole number above 0, not {value!r}")
        return value

    def choice(self, key: str, of: type[_Choice]) -> _Choice:
        value = self.text(key)
        if value not in set(of):
            raise self.wrong(key, f"must be one of {', '.join(of)}, not {value!r}")
        return of(value)

    def parameters(self) -> dict[str, float | str]:
        table = self.values.get("parameters", {})
        if not isinstance(table, dict):
            raise self.wrong("parameters", "must be a table of numbers and strings")
        for key, value in table.items():
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise self.wrong(f"parameters.{key}", f"must be a number or a string, not {value!r}")
        return {key: value if isinstance(value, str) else float(value) for key, value in table.items()}


def parse_entry(name: str, values: object, *, file: str) -> ModelSpec:
    """Check one table of a registry file.

    Raises:
        UsageError: A key is unknown or missing, or its value has the wrong type or is not allowed; the
            message names the file, the entry and the key.
    """
    if not isinstance(values, dict):
        raise UsageError(f"{file}: {name}: not a [{name}] table of a model's settings")
    entry = _Entry(f"{file}: [{name}]", values)
    if not _NAME.fullmatch(name):
        raise entry.wrong(
            "name", "may hold a-z, 0-9, '.', '_' and '-' only, and starts with a letter or digit"
        )
    for key in values:
        if key not in _KEYS:
            raise entry.wrong(key, f"unknown key; known: {', '.join(sorted(_KEYS))}")
    kind = entry.choice("kind", ModelKind)
    for key in _REQUIRED[kind]:
        if key not in values:
            raise entry.wrong(key, f"missing; a {kind} model needs it")
    spec = ModelSpec(
        name=name,
        source=entry.text("source"),
        revision=entry.text("revision"),
        kind=kind,
        pooling=entry.choice("pooling", Pooling) if "pooling" in values else Pooling.NONE,
        max_tokens=entry.number("max_tokens"),
        dim=entry.number("dim"),
        licence=entry.text("licence"),
        query_prompt=entry.text("query_prompt"),
        document_prompt=entry.text("document_prompt"),
        sha256=entry.text("sha256"),
        parameters=entry.parameters(),
        family=entry.text("family"),
        size=entry.choice("size", SizeClass) if "size" in values else None,
    )
    _check_agreement(spec, entry)
    return spec


def _check_agreement(spec: ModelSpec, entry: _Entry) -> None:
    scheme, _, rest = spec.source.partition(":")
    if scheme not in _SOURCES or not rest:
        raise entry.wrong("source", f"must be one of {':…, '.join(_SOURCES)}:…, not {spec.source!r}")
    if adapter := split_adapter(spec.source):
        _check_adapter(adapter, spec, entry)
    if scheme == "hub" and not re.fullmatch(r"[0-9a-f]{40}", spec.revision):
        raise entry.wrong("revision", f"must be a full commit hash (40 hex digits), not {spec.revision!r}")
    if not spec.revision:
        raise entry.wrong("revision", "must not be empty")
    if spec.sha256 and not re.fullmatch(r"[0-9a-f]{64}", spec.sha256):
        raise entry.wrong("sha256", f"must be 64 hex digits, not {spec.sha256!r}")
    _check_parameters(spec, entry)
    if (spec.kind is ModelKind.DENSE) != (spec.pooling is not Pooling.NONE):
        raise entry.wrong("pooling", f"{spec.pooling} does not fit a {spec.kind} model")


def _check_adapter(parts: tuple[str, str], spec: ModelSpec, entry: _Entry) -> None:
    """Folder and base are both named, and the model gives vectors."""
    if not all(parts):
        raise entry.wrong("source", f"must be adapter:FOLDER@MODEL, not {spec.source!r}")
    late = spec.kind is ModelKind.LATE_INTERACTION
    if not late and spec.kind is not ModelKind.DENSE:
        raise entry.wrong("kind", f"must be dense or late_interaction, as it is an adapter, not {spec.kind}")
    if set(spec.parameters) - ({"token_pooling"} if late else set()):
        has = "only token_pooling" if late else "none"
        raise entry.wrong("parameters", f"an adapter has {has}; its length, pooling and prompts are keys")


def _check_parameters(spec: ModelSpec, entry: _Entry) -> None:
    """Only those that its kind has; a misspelt one would be ignored."""
    known = _PARAMETERS[spec.kind]
    for key in spec.parameters:
        if key not in known:
            has = f"known: {', '.join(known)}" if known else f"a {spec.kind} model has none"
            raise entry.wrong(f"parameters.{key}", f"unknown key; {has}")
    match spec.kind:
        case ModelKind.SPARSE:
            _check_bm25(spec, entry)
        case ModelKind.LATE_INTERACTION:
            _check_late(spec, entry)
        case ModelKind.DENSE:
            pass


def _check_late(spec: ModelSpec, entry: _Entry) -> None:
    """`token_pooling` is a whole number from 1 on, `format` the one that is known."""
    factor = spec.parameters.get("token_pooling", 1.0)
    if not isinstance(factor, float) or not factor.is_integer() or factor < 1:
        raise entry.wrong("parameters.token_pooling", f"must be a whole number from 1 on, not {factor!r}")
    stated = spec.parameters.get("format", _FORMAT)
    if stated != _FORMAT:
        raise entry.wrong("parameters.format", f"must be {_FORMAT!r}, if it is there at all, not {stated!r}")


def _check_bm25(spec: ModelSpec, entry: _Entry) -> None:
    """k1 is not negative, b from 0 to 1, and there is a language."""
    k1, b = spec.parameters.get("k1"), spec.parameters.get("b")
    if not isinstance(k1, float) or not 0 <= k1 < math.inf:
        raise entry.wrong("parameters.k1", f"must be a number from 0 on, not {k1!r}")
    if not isinstance(b, float) or not 0 <= b <= 1:
        raise entry.wrong("parameters.b", f"must be a number from 0 to 1, not {b!r}")
    if not isinstance(spec.parameters.get("language"), str):
        raise entry.wrong("parameters.language", 'must be a language, such as "english"')
