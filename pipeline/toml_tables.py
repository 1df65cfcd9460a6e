"""TOML files that say what is done, with a pydantic model for each kind: found by name or path, checked."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from medsearch.errors import UsageError

_TOML = ".toml"


class Table(BaseModel):
    """One table of such a file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnyTable = TypeVar("AnyTable", bound=Table)


def toml_text(name: str, shipped: Traversable, kind: str) -> str:
    """The text of a .toml file, or of the file in `shipped` that has this name.

    `kind` is what such a file is called, such as "data recipe"; its last word names a single one.

    Raises:
        UsageError: there is none; the message names those that come with medsearch.
    """
    path, noun = Path(name), kind.split()[-1]
    if path.suffix == _TOML:
        if not path.is_file():
            raise UsageError(f"there is no {noun} file {path}")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{noun} {path} is not UTF-8 text") from None
    names = sorted(each.name.removesuffix(_TOML) for each in shipped.iterdir() if each.name.endswith(_TOML))
    if name not in names:
        raise UsageError(f"no {kind} called {name!r}; there is {', '.join(names)}, or name a .toml file")
    return (shipped / f"{name}{_TOML}").read_text(encoding="utf-8")


def parsed(table: type[AnyTable], text: str, who: str) -> AnyTable:
    """What a TOML text says; `who` is for messages, such as "recipe minilm".

    Raises:
        UsageError: it is not TOML, or a key is unknown or its value impossible; the message names it.
    """
    try:
        return table.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{who} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{who}: {table_fault(error)}") from None


def table_fault(error: ValidationError) -> str:
    """Where the first fault of a file is, and what it is, as the middle of a sentence."""
    first = error.errors()[0]
    said = first["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), f"{said[:1].lower()}{said[1:]}"]))
