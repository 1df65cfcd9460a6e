"""An ablation as a TOML file: a recipe, what all variants change of it, and what each does."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pipeline.recipe import FilterTable
from pipeline.toml_tables import Table, parsed, toml_text

BASE = "base"
"""What the untrained base is called among the rows."""


Keys = dict[str, Any]
"""A part of a recipe's table: it is checked once it is merged into the recipe."""


class Changes(Table):
    """Keys of a training recipe that take other values. Tables are merged into it, lists replace its own."""

    data: tuple[Keys, ...] = ()
    train: Keys = Field(default_factory=dict)
    loss: Keys = Field(default_factory=dict)
    lora: Keys = Field(default_factory=dict)
    distill: Keys = Field(default_factory=dict)
    late: Keys = Field(default_factory=dict)
    select: Keys = Field(default_factory=dict)


class VariantTable(Changes):
    """One row of the table.

    With `on` it begins as the variant of that name, which stands above it, and is compared with it too.
    """

    name: str = Field(min_length=1, max_length=60)
    description: str
    on: str = ""


class RefilterTable(Table):
    """A run of the data pipeline, made of the queries generated for another by a filter that differs in this.

    It is filtered anew from end to end, so that its rows are what that filter keeps.
    """

    run: str
    of: str
    filter: FilterTable


class Ablation(Table):
    """A whole ablation; each variant is trained once for each seed."""

    description: str
    recipe: str
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(13,), min_length=1)
    common: Changes = Changes()
    refilter: tuple[RefilterTable, ...] = ()
    variant: tuple[VariantTable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed comes twice")
        above: set[str] = set()
        slugs: set[str] = set()
        for variant in self.variant:
            if variant.on and variant.on not in above:
                raise ValueError(
                    f"variant {variant.name!r}: on: no variant above it is called {variant.on!r}"
                )
            if slug(variant.name) in {"", BASE, *slugs}:
                raise ValueError(
                    f"variant {variant.name!r}: take another name: letters, and not one that is taken"
                )
            above.add(variant.name)
            slugs.add(slug(variant.name))
        return self


def slug(name: str) -> str:
    """A name as a folder has it: letters and digits, with "-" for all between; a "+" before it is told."""
    told = re.sub(r"^\s*\+", "with ", name.lower())
    return re.sub(r"[^a-z0-9]+", "-", told).strip("-")


def load_ablation(name: str) -> Ablation:
    """The ablation of a .toml file, or of a name that comes with medsearch.

    Raises:
        UsageError: there is none, or a key is unknown or its value impossible; the message names it.
    """
    return parse_ablation(toml_text(name, files("pipeline") / "recipes" / "ablations", "ablation"), name)


def parse_ablation(text: str, name: str) -> Ablation:
    """The ablation of a TOML text; `name` is for messages.

    Raises:
        UsageError: as `load_ablation`.
    """
    return parsed(Ablation, text, f"ablation {name}")
