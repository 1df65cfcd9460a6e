"""The seams where two real implementations exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from medsearch.types import Filter, ModelSpec, Query, Run, Vectors


class Encoder(Protocol):
    """Turns text into vectors: ONNX Runtime when serving, sentence-transformers as the reference."""

    @property
    def spec(self) -> ModelSpec:
        """What the registry says of this model."""
        ...

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        """Encode queries, each behind the spec's query prompt; shape (len(texts), dim)."""
        ...

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        """Encode documents or passages, never behind the query prompt; shape (len(texts), dim)."""
        ...


class TokenEncoder(Protocol):
    """Turns text into one vector a token (late interaction): ONNX Runtime, or sentence-transformers.

    A text's score is the sum, over the query's vectors, of the highest dot product with one of the text's.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the registry says of this model."""
        ...

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode queries, each behind the spec's query prompt; one (tokens, dim) a text."""
        ...

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode documents or passages, each behind the document prompt; one (tokens, dim) a text."""
        ...


class Retriever(Protocol):
    """Ranks documents for queries: from an index on disk, or exactly over a whole corpus."""

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The best `k` documents a query, best passage standing for its document."""
        ...


class Progress(Protocol):
    """Hears how far long work has come: a bar on a terminal, nothing in a test."""

    def stage(self, title: str, total: int | None, /) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of `total` items (`None`: not known); the result is called with each step made."""
        ...

    def say(self, line: str, /) -> None:
        """One line of plain English about what is being done, and why."""
        ...
