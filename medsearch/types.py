"""The records that cross module boundaries. Frozen and slotted; no behaviour beyond derived names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (n, dim); rows L2-normalised."""

Qrels = Mapping[str, Mapping[str, int]]
"""query_id -> doc_id -> grade; an absent pair is unjudged."""

Run = Mapping[str, Mapping[str, float]]
"""query_id -> doc_id -> score; higher is better."""

MetadataValue = str | int | float | bool | None | tuple[str, ...]
Metadata = Mapping[str, MetadataValue]


class ModelKind(StrEnum):
    """How a model represents text."""

    DENSE = "dense"
    LATE_INTERACTION = "late_interaction"
    SPARSE = "sparse"


class Pooling(StrEnum):
    """How token vectors become one text vector; `NONE` for sparse and late-interaction models."""

    CLS = "cls"
    MEAN = "mean"
    NONE = "none"


class SizeClass(StrEnum):
    """Of an encoder, by its parameters as BERT's were named: about 33, 110 and 335 million, or fewer."""

    SMALL = "small"
    BASE = "base"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything that makes two runs of a model comparable; one entry of `models.toml`.

    `source` is "hub:<repo>", "package:<module>", "path:<dir>", "adapter:<dir>@<base model>" or
    "builtin:<name>"; `revision` pins it. An adapter's base stands in `parameters` (`base_source` and so on).
    `max_tokens` counts special tokens too. `sha256` is that of the weights file, where one is pinned.
    `family` is what a model was made from (its base model's name; its own where empty), so that looks at a
    test set are counted over all that were tried; `size` is the class that tables compare it in.
    """

    name: str
    source: str
    revision: str
    kind: ModelKind
    pooling: Pooling
    max_tokens: int
    dim: int
    licence: str
    query_prompt: str = ""
    document_prompt: str = ""
    sha256: str = ""
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    family: str = ""
    size: SizeClass | None = None

    @property
    def of_vectors(self) -> tuple[tuple[str, object], ...]:
        """(field, value) of all that a document's vector depends on."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return tuple((name, value) for name, value in named if name not in NOT_OF_DOCUMENT_VECTORS)


NOT_OF_DOCUMENT_VECTORS = frozenset({"licence", "family", "size", "query_prompt"})
"""Fields of a `ModelSpec` that change no document's vector, so that an index made before still fits."""


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a document: characters `start` to `end` (exclusive) of its text."""

    heading: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One record of a corpus. `sections` are in order, do not overlap, and may leave text uncovered.

    Metadata keys with a meaning here: `year` (int), `kind`, `source`, `url`, `journal`, `licence`,
    `pmid`, `pmcid`, `doi`, `authors`, `keywords`, `notice` (retraction or correction).
    """

    doc_id: str
    title: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """What one vector stands for: characters `start` to `end` (exclusive) of a document's text."""

    doc_id: str
    number: int
    title: str
    text: str
    section: str
    start: int
    end: int
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How documents are cut: at most `max_tokens` of `tokenizer` (a model's name) a passage.

    `overlap_tokens` is how much of a passage's end the next one may repeat, in whole sentences.
    `max_tokens = 0` does not cut: one passage a document, as retrieval benchmarks have it.
    """

    max_tokens: int = 200
    overlap_tokens: int = 40
    tokenizer: str = "minilm"


WHOLE_DOCUMENTS = PassageSettings(max_tokens=0, overlap_tokens=0, tokenizer="none")


@dataclass(frozen=True, slots=True)
class PassageHit:
    """One found passage: `score` is comparable only within its ranking; higher is better."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """One search request of a test collection."""

    query_id: str
    text: str
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection: what is searched, what is asked, and what was judged relevant."""

    name: str
    split: str
    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    qrels: Qrels


@dataclass(frozen=True, slots=True)
class Filter:
    """Which passages may be found. Empty tuples and `None` do not restrict; years are inclusive."""

    year_from: int | None = None
    year_to: int | None = None
    kinds: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
