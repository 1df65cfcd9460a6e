"""Typed settings from MEDSEARCH_* variables. Built in entry points only, never on import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. Every path is absolute or relative to the working directory.

    `looks` is the ledger of evaluations on test sets; `None` keeps none.
    """

    data: tuple[Path, ...]
    index: Path
    cache: Path
    models: Path | None
    looks: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read MEDSEARCH_DATA (folders joined by ':'), _INDEX, _CACHE, _MODELS and _LOOKS.

        `data/` is always looked in last. A relative path is taken from the working directory.
        """
        variables = os.environ if environment is None else environment
        home = checkout_or_here() / "data"
        looks = variables.get("MEDSEARCH_LOOKS") or checkout_or_here() / "results" / "looks.jsonl"
        named = [Path(part) for part in variables.get("MEDSEARCH_DATA", "").split(os.pathsep) if part]
        models = variables.get("MEDSEARCH_MODELS", "")
        return cls(
            data=(*named, home),
            index=Path(variables.get("MEDSEARCH_INDEX") or home / "index"),
            cache=Path(variables.get("MEDSEARCH_CACHE") or home / "cache"),
            models=Path(models) if models else None,
            looks=Path(looks),
        )


def checkout_or_here() -> Path:
    """The checkout that this package was installed from, else the working directory."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
