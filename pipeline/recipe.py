"""Data recipes: every number that decides what training data comes out. An unknown key is an error."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from medsearch.errors import UsageError
from pipeline.records import QueryKind
from pipeline.toml_tables import Table, parsed, table_fault, toml_text


def _rising(ends: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= ends[0] <= ends[1]:
        raise ValueError("must be the least and the most, from 1 on")
    return ends


Range = Annotated[tuple[int, int], AfterValidator(_rising)]


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


class ServeTable(Table):
    """How `make llm` serves the model with vLLM.

    `weights` is a hub name, a folder, `gguf:<file>` or `package:<module>` (a package that holds one GGUF
    file); empty means the model's name. `cpu_cache_gib` is memory for attention keys, where there is no GPU.
    """

    weights: str = ""
    max_model_len: int = 2048
    max_num_seqs: int = 32
    dtype: Literal["bfloat16", "float16", "float32", "auto"] = "bfloat16"
    tensor_parallel: int = Field(default=1, ge=1)
    eager: bool = False
    cpu_cache_gib: int = Field(default=1, ge=1)


class Mode(StrEnum):
    """Whether one call asks for all queries of a note, or for one."""

    SIX = "six"
    ONE = "one"


class GenerateTable(Table):
    """What is asked about which notes.

    `min_alignment` (0 to 100, rapidfuzz's partial ratio) is how closely a quotation must match the note.
    Notes are taken in an order shuffled by `order_seed`: a longer run begins with a shorter one's notes. With
    `hide_ids`, the ids and groups of notes are replaced by hashes and their addresses left out: for notes
    whose ids are record numbers.
    """

    mode: Mode = Mode.SIX
    prompt: str = "six"
    queries: dict[QueryKind, Annotated[int, Field(ge=1, le=50)]] = Field(
        default={QueryKind.KEYWORD: 2, QueryKind.QUESTION: 2, QueryKind.MANAGEMENT: 2}, min_length=1
    )
    licences: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    min_characters: int = Field(default=200, ge=1)
    max_characters: int = Field(default=6_000, ge=1)
    hide_ids: bool = False
    min_alignment: float = Field(default=90, ge=50, le=100)
    min_evidence_characters: int = Field(default=20, ge=0)
    order_seed: int = 13

    @model_validator(mode="after")
    def _some_note_fits(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters is above max_characters")
        return self


class PassagesTable(Table):
    """How notes are cut into the passages that are positives and negatives."""

    max_tokens: int = Field(default=200, ge=1)
    overlap_tokens: int = Field(default=40, ge=0)
    tokenizer: str = "minilm"

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if self.overlap_tokens >= self.max_tokens:
            raise ValueError("overlap_tokens is not below max_tokens")
        return self


class CropTable(Table):
    """How pairs are cut out of texts alone; pairs of numbers are the least and the most.

    A window has `sentences` and at most `max_words` words; a document gives at most `windows`. `span_share`
    of the queries are `span` words of a sentence, which stays in its window by the chance `keep_sentence`;
    the others are the `words` rarest ones of a sentence. A query is dropped where even its rarest word is
    in more than `common_share` of the documents.
    """

    windows: int = Field(default=4, ge=1)
    sentences: Range = (2, 8)
    max_words: int = Field(default=140, ge=1)
    span_share: float = Field(default=0.4, ge=0, le=1)
    span: Range = (8, 15)
    keep_sentence: float = Field(default=0.3, ge=0, le=1)
    words: Range = (2, 6)
    common_share: float = Field(default=0.02, gt=0, le=1)
    dev_share: float = Field(default=0.05, ge=0, le=0.5)
    seed: int = 13


class RoundTripSearch(StrEnum):
    """A search of the pool in which a query must find its own passage; hybrid fuses the other two."""

    HYBRID = "hybrid"
    DENSE = "dense"
    BM25 = "bm25"


class FilterTable(Table):
    """Which generated queries are kept; every threshold is one of these, and what equals it is kept.

    Lengths are in words; shares and similarities go from 0 to 1. A check whose threshold is at its end
    (a share of 1 at most, a support of 0 at least) drops nothing. `round_trip_k` is the rank in the whole
    pool that a query's own passage must reach under each search named in `round_trip_searches`;
    `round_trip_margin` is how far (in cosine) it must lead the best passage of another document under the
    dense encoder, which may be negative. With `measure_all`, the costly checks are also made of rows that
    a cheap one drops, so that thresholds can be studied later.
    """

    min_words: int = Field(default=2, ge=0)
    max_words: int = Field(default=40, ge=1)
    min_content_words: int = Field(default=1, ge=0, description="words that are not stop words or masks")
    max_mask_share: float = Field(default=0.34, description="of the query's words, those that are masks")
    min_distinct_share: float = Field(default=0.6, description="of the query's words, those not said before")
    boilerplate: tuple[str, ...] = (
        "as an ai",
        "language model",
        "search query",
        "here is",
        "here are",
        "this passage",
        "passage above",
        "according to the passage",
        "in the passage",
        "the text",
        "this text",
        "this note",
        "the above",
        "the following",
        "this case report",
        "mentioned in the",
    )
    language_confidence: float = Field(default=0.05, description="of py3langid, for the wanted languages")
    max_copy: float = Field(default=0.8, description="share of the query's words, in order, in the passage")
    min_copy_words: int = Field(default=6, description="shorter queries may be words of the passage")
    max_example_similarity: float = Field(default=0.7, description="to the prompt's own examples")
    duplicate_jaccard: float = Field(default=0.8, gt=0, le=1, description="of content words, to a kept query")
    min_relevance: int = 3
    min_lexical_support: float = Field(default=0.0, description="share of content words found in the passage")
    rare_share: float = Field(default=0.01, ge=0, description="of the passages, that have a rare word")
    max_ungrounded: float = Field(default=1.0, description="of rare words and numbers, not in the passage")
    base_model: str = "minilm"
    min_dense_support: float = Field(default=-1.0, description="cosine of query and passage")
    round_trip_k: int = Field(default=10, ge=1, le=100)
    round_trip_searches: tuple[RoundTripSearch, ...] = (RoundTripSearch.HYBRID,)
    round_trip_margin: float | None = None
    measure_all: bool = True


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
    serve: ServeTable = ServeTable()
    generate: GenerateTable = GenerateTable()
    passages: PassagesTable = PassagesTable()
    filter: FilterTable = FilterTable()
    mine: MineTable = MineTable()
    crop: CropTable = CropTable()


def load_recipe(name: str) -> Recipe:
    """The recipe of a file, or of a name that comes with medsearch.

    Raises:
        UsageError: there is none, or a key is unknown or its value impossible; the message names it.
    """
    return parse_recipe(toml_text(name, files("pipeline") / "recipes" / "data", "data recipe"), name)


def parse_recipe(text: str, name: str) -> Recipe:
    """The recipe of a TOML text; `name` is for messages.

    Raises:
        UsageError: as `load_recipe`.
    """
    return parsed(Recipe, text, f"recipe {name}")


def parse_kept(text: str, name: str) -> Recipe:
    """The recipe that a run keeps, as JSON.

    Raises:
        UsageError: it is damaged, or of another version of medsearch.
    """
    try:
        return Recipe.model_validate(json.loads(text))
    except json.JSONDecodeError:
        raise UsageError(f"{name} is damaged: name the run's recipe with --recipe") from None
    except ValidationError as error:
        raise UsageError(f"recipe {name}: {table_fault(error)}") from None
