"""A model's vectors in chunk files that survive a kill: what has been encoded is never encoded again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from medsearch.index.manifest import replace_file
from medsearch.types import Vectors

CHUNK = 128
"""Texts a chunk: some seconds of encoding on two cores, which is all that a kill can cost."""


Encoded = Vectors | list[Vectors]
"""Some texts' vectors: of a dense model (texts, dim), of a late-interaction one (tokens, dim) for each."""


class ChunkStore(Protocol):
    """Where encoded chunks of texts are kept: `VectorStore`, or `TokenStore` for late interaction."""

    def has(self, chunk: int) -> bool:
        """Whether this chunk is on disk."""
        ...

    def is_whole(self, texts: int) -> bool:
        """Whether the vectors of this many texts are all on disk."""
        ...

    def drop_damaged(self, texts: int, dim: int) -> None:
        """Remove each file that is not the chunk of its place."""
        ...

    def append(self, chunk: int, vectors: Encoded) -> None:
        """Store chunk number `chunk`; durable when this returns."""
        ...

    def read(self, texts: int) -> Iterator[Encoded]:
        """The chunks of this many texts in order."""
        ...

    @property
    def folder(self) -> Path:
        """The folder of the chunk files."""
        ...


@dataclass(frozen=True, slots=True)
class VectorStore:
    """Vectors of texts 0, 1, 2 … in files of `CHUNK` rows, each written whole."""

    folder: Path

    def has(self, chunk: int) -> bool:
        """Whether this chunk is on disk."""
        return self._file(chunk).exists()

    def is_whole(self, texts: int) -> bool:
        """Whether the vectors of this many texts are all on disk."""
        return all(self.has(chunk) for chunk in range(chunks_of(texts)))

    def drop_damaged(self, texts: int, dim: int) -> None:
        """Remove each file that is not the chunk of its place: float32, `dim` wide, and of the right rows."""
        expected = {self._file(chunk): texts_in(chunk, texts) for chunk in range(chunks_of(texts))}
        for file in self.folder.glob("*.npy"):
            if _rows_of(file, dim) != expected.get(file):
                file.unlink()

    def append(self, chunk: int, vectors: Encoded) -> None:
        """Store chunk number `chunk`; durable when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        replace_file(self._file(chunk), buffer.getvalue())

    def read(self, texts: int) -> Iterator[Vectors]:
        """The chunks of this many texts in order, each of shape (up to CHUNK, dim)."""
        for chunk in range(chunks_of(texts)):
            yield np.load(self._file(chunk), allow_pickle=False)

    def _file(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.npy"


def _rows_of(file: Path, dim: int) -> int:
    """Rows of a stored chunk; 0 where it is damaged, cut off or of another model."""
    try:
        stored = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return 0
    return len(stored) if stored.dtype == np.float32 and stored.shape[1:] == (dim,) else 0


def encode_resumably(
    texts: Iterable[str],
    encode: Callable[[list[str]], Encoded],
    store: ChunkStore,
    advance: Callable[[int], None],
) -> None:
    """Encode into `store` those chunks of `texts` that are not there yet.

    Chunks are cut at fixed places, so that an interrupted run encodes the same batches as a whole one.
    `advance` hears of every text done, those of an earlier run first.
    """
    for number, chunk in enumerate(in_chunks(texts, CHUNK)):
        if not store.has(number):
            store.append(number, encode(chunk))
        advance(len(chunk))


def chunks_of(texts: int) -> int:
    """How many chunks this many texts make."""
    return -(-texts // CHUNK)


def texts_in(chunk: int, texts: int) -> int:
    """How many of this many texts the chunk of this number has."""
    return min(CHUNK, texts - chunk * CHUNK)


def in_chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
