"""Data recipes: every number that decides what training data comes out. An unknown key is an error."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medsearch.errors import UsageError
from pipeline.records import QueryKind


class Table(BaseModel):
    """One table of a recipe file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LlmTable(Table):
    """Which LLM is asked, and how. Servers are base URLs of OpenAI-compatible APIs.

    `seed` is sent with each request only where it is given: vLLM's CPU engine stops at a request with one.
    """

    model: str
    servers: tuple[str, ...] = ("http://127.0.0.1:8000/v1",)
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=200, ge=1)
    seed: int | None = None
    in_flight: int = Field(default=16, ge=1)
    timeout_s: float = Field(default=120, gt=0)
    attempts: int = Field(default=5, ge=1)
    structured: Literal["json_schema", "json_object_schema", "none"] = "json_schema"


class Mode(StrEnum):
    """Whether one call asks for all queries of a note, or for one."""

    SIX = "six"
    ONE = "one"


class GenerateTable(Table):
    """What is asked about which notes.

    `min_alignment` (0 to 100, rapidfuzz's partial ratio) is how closely a quotation must match the note.
    Notes are taken in an order shuffled by `order_seed`: a longer run begins with a shorter one's notes.
    """

    mode: Mode = Mode.SIX
    prompt: str = "six"
    queries: dict[QueryKind, int] = Field(
        default={QueryKind.KEYWORD: 2, QueryKind.QUESTION: 2, QueryKind.MANAGEMENT: 2}
    )
    licences: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    min_characters: int = 200
    max_characters: int = 6_000
    min_alignment: float = Field(default=90, ge=50, le=100)
    min_evidence_characters: int = 20
    order_seed: int = 13


class PassagesTable(Table):
    """How notes are cut into the passages that are positives and negatives."""

    max_tokens: int = 200
    overlap_tokens: int = 40
    tokenizer: str = "minilm"


class FilterTable(Table):
    """Which generated queries are kept; every threshold is one of these.

    Lengths are in words. Containments and similarities are shares from 0 to 1. `round_trip_k` is the rank
    in the whole pool that a query's own passage must reach under each search named in `round_trip_searches`;
    `round_trip_margin` is how far (in cosine) it must lead the best passage of another document under the
    dense encoder, which may be negative.
    """

    min_words: int = 2
    max_words: int = 40
    language_confidence: float = 0.5
    max_copy: float = Field(default=0.8, description="share of the query's words in one run of the passage")
    max_example_similarity: float = Field(default=0.7, description="to the prompt's own examples")
    duplicate_jaccard: float = 0.8
    min_relevance: int = 3
    base_model: str = "minilm"
    round_trip_k: int = Field(default=10, ge=1)
    round_trip_margin: float | None = None
    min_lexical_support: float = Field(default=0.0, description="share of content words found in the passage")
    min_dense_support: float = Field(default=0.0, description="cosine of query and passage")


class NegativeSource(StrEnum):
    """Where candidate negatives come from; `mixed` is the union of dense and BM25."""

    RANDOM = "random"
    BM25 = "bm25"
    DENSE = "dense"
    MIXED = "mixed"


class MineTable(Table):
    """How negatives are chosen.

    A candidate counts from rank `first_rank` to `last_rank` (from 1). It is taken for a false negative when
    its score is above `max_score_ratio` of the positive's, or less than `min_margin` below it.
    """

    source: NegativeSource = NegativeSource.MIXED
    base_model: str = "minilm"
    negatives: int = Field(default=5, ge=1)
    first_rank: int = Field(default=2, ge=1)
    last_rank: int = Field(default=100, ge=1)
    max_score_ratio: float = Field(default=0.95, gt=0)
    min_margin: float = Field(default=0.0, ge=0)
    duplicate_jaccard: float = Field(default=0.8, gt=0, le=1)
    dev_share: float = Field(default=0.05, ge=0, le=0.5)
    seed: int = 13

    @model_validator(mode="after")
    def _window_is_open(self) -> MineTable:
        if self.last_rank < self.first_rank:
            raise ValueError(f"last_rank {self.last_rank} comes before first_rank {self.first_rank}")
        return self


class Recipe(Table):
    """A whole data recipe."""

    description: str
    llm: LlmTable
    generate: GenerateTable = GenerateTable()
    passages: PassagesTable = PassagesTable()
    filter: FilterTable = FilterTable()
    mine: MineTable = MineTable()


def load_recipe(name: str) -> Recipe:
    """The recipe of a file, or of a name that comes with medsearch.

    Raises:
        UsageError: there is none, or a key is unknown or its value impossible; the message names it.
    """
    path = Path(name)
    shipped = files("pipeline") / "recipes" / "data"
    if path.suffix == ".toml":
        if not path.is_file():
            raise UsageError(f"there is no recipe file {path}")
        text = path.read_text(encoding="utf-8")
    else:
        names = sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir())
        if name not in names:
            raise UsageError(
                f"no data recipe called {name!r}; there is {', '.join(names)}, or name a .toml file"
            )
        text = (shipped / f"{name}.toml").read_text(encoding="utf-8")
    return parse_recipe(text, name)


def parse_recipe(text: str, name: str) -> Recipe:
    """The recipe of a TOML text; `name` is for messages.

    Raises:
        UsageError: as `load_recipe`.
    """
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {name} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"recipe {name}: {where}: {first['msg'].lower()}") from None
