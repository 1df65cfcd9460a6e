"""Reads what a late-interaction folder says of its modules: `modules.json` and each `config.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medsearch.errors import ModelUnavailableError

MODULES = "modules.json"
TRANSFORMER, DENSE = "Transformer", "Dense"
_LIBRARY = "sentence_transformers."


def read_modules(folder: Path) -> list[dict[str, Any]]:
    """The modules in their order, each with a `type` and a `path`; none where there is no `modules.json`.

    Raises:
        ModelUnavailableError: It is damaged.
    """
    file = folder / MODULES
    modules = _json(file) if file.is_file() else []
    if not isinstance(modules, list) or not all(map(_is_module, modules)):
        raise damaged(file, "a list of modules with type and path is due")
    return modules


def module_kind(module: dict[str, Any]) -> str:
    """The last part of a module's type, but of one that is not the library's own all of it: none we run."""
    name = str(module["type"])
    return name.rpartition(".")[2] if name.startswith(_LIBRARY) else name


def module_config(folder: Path, module: dict[str, Any]) -> dict[str, Any]:
    """A module's own settings; none where it has no file of them."""
    return read_object(folder / module["path"] / "config.json")


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is no such file.

    Raises:
        ModelUnavailableError: It is damaged.
    """
    if not file.is_file():
        return {}
    content = _json(file)
    if not isinstance(content, dict):
        raise damaged(file, "a JSON object is due")
    return content


def damaged(file: Path, why: str) -> ModelUnavailableError:
    """The error for a file that does not say what it must."""
    return ModelUnavailableError(f"{file} is damaged ({why}); copy the whole folder of the model again")


def _is_module(module: object) -> bool:
    return isinstance(module, dict) and all(isinstance(module.get(key), str) for key in ("type", "path"))


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(file, (str(error).splitlines() or [type(error).__name__])[0]) from None
