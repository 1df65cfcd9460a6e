"""A stand-in encoder whose vectors mean something, and progress that is only remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from medsearch.types import ModelKind, ModelSpec, Pooling, Vectors

TOPICS = (
    ("heart", "cardiac", "chest", "angina"),
    ("lung", "cough", "asthma", "breath"),
    ("sugar", "diabetes", "insulin", "glucose"),
    ("skin", "rash", "eczema", "itch"),
)
"""One dimension a topic; a text's vector counts the words of each, so that synonyms come out near."""


def topic_spec(name: str = "topics", **changes: object) -> ModelSpec:
    """The spec of the stand-in encoder; `changes` replace fields."""
    values: dict[str, object] = {
        "name": name,
        "source": "path:nowhere",
        "revision": "1",
        "kind": ModelKind.DENSE,
        "pooling": Pooling.MEAN,
        "max_tokens": 64,
        "dim": len(TOPICS) + 1,
        "licence": "none",
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]  # a test's own table of fields


BM25_SPEC = ModelSpec(
    name="bm25",
    source="builtin:bm25",
    revision="1",
    kind=ModelKind.SPARSE,
    pooling=Pooling.NONE,
    max_tokens=0,
    dim=0,
    licence="apache-2.0",
    parameters={"k1": 1.2, "b": 0.75, "language": "english"},
)


class TopicEncoder:
    """Counts topic words; remembers every text it was given, and can stop as if killed."""

    def __init__(self, spec: ModelSpec | None = None, *, stop_after: int | None = None) -> None:
        self.spec = spec or topic_spec()
        self.stop_after = stop_after
        self.documents: list[str] = []
        self.queries: list[str] = []

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        self.queries.extend(texts)
        return self._vectors(texts)

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        if self.stop_after is not None and len(self.documents) + len(texts) > self.stop_after:
            raise KeyboardInterrupt
        self.documents.extend(texts)
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        rows = [
            [sum(text.lower().count(word) for word in topic) for topic in TOPICS] + [0.1 + len(text) % 7 / 50]
            for text in texts
        ]
        vectors = np.asarray(rows, dtype=np.float32).reshape(len(texts), len(TOPICS) + 1)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Heard:
    """Progress that remembers what was said and which stages ran how far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stages: dict[str, int] = {}

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        self.stages[title] = 0

        def advance(steps: int) -> None:
            self.stages[title] += steps

        yield advance

    def say(self, line: str, /) -> None:
        self.lines.append(line)
