"""The validated rows that cross a stage: an unknown or missing field is an error."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """One line of a JSONL file between two stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class QueryKind(StrEnum):
    """What sort of query it is: three that an LLM writes, as for MedEmbed, one that people wrote, one cut."""

    KEYWORD = "keyword"
    QUESTION = "question"
    MANAGEMENT = "management"
    """On treatment, procedure or follow-up."""
    JUDGED = "judged"
    """From a corpus with human judgements."""
    CROP = "crop"
    """Words of a sentence, cut out of the text that they are to find."""


class Split(StrEnum):
    """Which part of the training data a row belongs to; `test` never occurs here."""

    TRAIN = "train"
    DEV = "dev"


class SourceDocument(Row):
    """Where a row's text comes from. `group` joins documents on one subject; empty where none is known."""

    corpus: str
    doc_id: str
    licence: str = ""
    url: str = ""
    group: str = ""


class LlmCall(Row):
    """What wrote a query: enough to ask the same again. `seed` is `None` where none was sent."""

    model: str
    server: str
    temperature: float
    seed: int | None
    prompt: str
    prompt_version: int


class GeneratedRow(Row):
    """A query that an LLM wrote about a note, and the words of the masked note that answer it.

    `evidence` is the note's own text, characters `start` to `end`; `alignment` (0 to 100) says how closely
    the LLM quoted it, 100 being word for word, and is `None` where the evidence was given to it.
    `passage_id` is the passage of the pool that holds it.
    `relevance` (1 to 5) is the LLM's own rating.
    """

    row_id: str
    kind: QueryKind
    query: str = Field(min_length=1)
    evidence: str = Field(min_length=1)
    start: int = Field(ge=0)
    end: int
    alignment: float | None = Field(ge=0, le=100)
    relevance: int = Field(ge=1, le=5)
    passage_id: str
    source: SourceDocument
    llm: LlmCall


class SetAsideRow(Row):
    """What a stage could not use: why, where it came from, and all there is to see of it."""

    row_id: str
    reason: str
    detail: str
    raw: str
    source: SourceDocument


class PairRow(Row):
    """A query and a passage that answers it, ready for mining.

    Rows of one query with several right passages share `query_id`. `split` is `None` until mining has
    shared the groups out, except where the corpus has its own. `checks` holds what the filters measured.
    """

    row_id: str
    query_id: str
    query: str = Field(min_length=1)
    kind: QueryKind
    positive_id: str
    positive: str = Field(min_length=1)
    evidence: str = ""
    split: Split | None = None
    checks: dict[str, float] = Field(default_factory=dict)
    source: SourceDocument
    llm: LlmCall | None = None


class JudgedRow(Row):
    """A judgement that made no pair: `grade` is below what counts as relevant; 0 is not relevant at all."""

    query_id: str
    passage_id: str
    grade: int


class DroppedRow(Row):
    """A row that a filter or guard left out: the rule, what it measured, and the row's words."""

    row_id: str
    rule: str
    detail: str
    query: str
    positive_id: str


class TripletRow(Row):
    """A query, a passage that answers it, and passages that look right and are not.

    `negatives`, `negative_ids`, `negative_scores` and `found_by` run in parallel, hardest first; scores
    are dot products of the mining encoder, as is `positive_score`.
    """

    row_id: str
    query_id: str
    query: str = Field(min_length=1)
    positive: str = Field(min_length=1)
    negatives: tuple[str, ...]
    kind: QueryKind
    split: Split
    positive_id: str
    positive_score: float
    negative_ids: tuple[str, ...]
    negative_scores: tuple[float, ...]
    found_by: tuple[str, ...]
    source: SourceDocument
    llm: LlmCall | None = None
