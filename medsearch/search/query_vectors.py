"""Vectors of a test collection's queries, kept beside its evaluation index."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from medsearch.index.manifest import replace_file
from medsearch.protocols import Encoder, Progress
from medsearch.types import ModelSpec, Vectors

_BLOCK = 128


@dataclass(frozen=True, slots=True)
class RememberedQueries:
    """An encoder that already knows the vectors of some queries; all else it asks the real one."""

    encoder: Encoder
    rows: dict[str, int]
    vectors: Vectors

    @property
    def spec(self) -> ModelSpec:
        """That of the real encoder."""
        return self.encoder.spec

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        """Shape (len(texts), dim); remembered vectors where all texts are known."""
        if all(text in self.rows for text in texts):
            return self.vectors[[self.rows[text] for text in texts]]
        return self.encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        """Shape (len(texts), dim); never remembered."""
        return self.encoder.encode_documents(texts)


def remembering(encoder: Encoder, texts: Sequence[str], folder: Path, progress: Progress) -> Encoder:
    """`encoder` with the vectors of these queries, read from `folder` or encoded now and kept there.

    They are found again by the texts and the query prompt; `folder` is that of one model and corpus.
    """
    distinct = list(dict.fromkeys(texts))
    key = sha256(json.dumps([encoder.spec.query_prompt, distinct]).encode()).hexdigest()[:16]
    file = folder / f"{key}.npy"
    vectors = _read(file, (len(distinct), encoder.spec.dim))
    if vectors is None:
        vectors = _encode(encoder, distinct, progress)
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        replace_file(file, buffer.getvalue())
    return RememberedQueries(encoder, {text: row for row, text in enumerate(distinct)}, vectors)


def _encode(encoder: Encoder, texts: Sequence[str], progress: Progress) -> Vectors:
    blocks: list[Vectors] = []
    with progress.stage(f"Encoding queries with {encoder.spec.name}", len(texts)) as advance:
        for start in range(0, len(texts), _BLOCK):
            blocks.append(encoder.encode_queries(texts[start : start + _BLOCK]))
            advance(len(blocks[-1]))
    return np.concatenate(blocks) if blocks else np.zeros((0, encoder.spec.dim), dtype=np.float32)


def _read(file: Path, shape: tuple[int, int]) -> Vectors | None:
    """`None` where there is no such file, or it is damaged or of another model."""
    try:
        stored = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return stored if stored.dtype == np.float32 and stored.shape == shape else None
