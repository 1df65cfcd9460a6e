"""A stand-in late-interaction encoder whose token vectors mean something: one vector a word, by its topic."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from fakes import TOPICS

from medsearch.types import ModelKind, ModelSpec, Pooling, Vectors

_OWN = 8
DIM = len(TOPICS) + _OWN


def word_spec(name: str = "words", **changes: object) -> ModelSpec:
    """The spec of the stand-in; `changes` replace fields."""
    values: dict[str, object] = {
        "name": name,
        "source": "path:nowhere",
        "revision": "1",
        "kind": ModelKind.LATE_INTERACTION,
        "pooling": Pooling.NONE,
        "max_tokens": 64,
        "dim": DIM,
        "licence": "none",
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]  # a test's own table of fields


class WordEncoder:
    """A vector a word: near to all words of its topic, the same only for the same word."""

    def __init__(self, spec: ModelSpec | None = None, *, stop_after: int | None = None) -> None:
        self.spec = spec or word_spec()
        self.stop_after = stop_after
        self.documents: list[str] = []
        self.queries: list[str] = []

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        self.queries.extend(texts)
        return [_vectors(text) for text in texts]

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        if self.stop_after is not None and len(self.documents) + len(texts) > self.stop_after:
            raise KeyboardInterrupt
        self.documents.extend(texts)
        return [_vectors(text) for text in texts]


def maxsim(query: Vectors, document: Vectors) -> float:
    """By its definition (Khattab & Zaharia 2020): the best of the document for each vector of the query."""
    return float(sum(max(float(q @ d) for d in document) for q in query))


def _vectors(text: str) -> Vectors:
    rows = np.stack([_word(word) for word in text.lower().replace(".", " ").split() or [""]])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _word(word: str) -> Vectors:
    about = np.array([sum(part in word for part in topic) for topic in TOPICS], dtype=np.float32)
    own = np.random.default_rng(crc32(word.encode())).normal(scale=0.3, size=_OWN)
    return np.concatenate([about, own]).astype(np.float32)
