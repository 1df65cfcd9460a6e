"""A model's vectors in chunk files that survive a kill: what has been encoded is never encoded again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from medsearch.index.manifest import replace_file
from medsearch.types import Vectors

CHUNK = 128
"""Texts a chunk: some seconds of encoding on two cores, which is all that a kill can cost."""


@dataclass(frozen=True, slots=True)
class VectorStore:
    """Vectors of texts 0, 1, 2 … in files of `CHUNK` rows, each written whole and in order."""

    folder: Path

    def rows_done(self) -> int:
        """How many vectors, counted from the first without a gap, are on disk."""
        return self._done()[1]

    def drop_damaged(self, dim: int) -> None:
        """Remove the first chunk that is not (CHUNK, dim) float32, the last one aside, and all after it."""
        files = sorted(self.folder.glob("*.npy"))
        for number, file in enumerate(files):
            rows = _rows_of(file, dim)
            whole = rows == CHUNK or (rows > 0 and number == len(files) - 1)
            if not whole or file != self._file(number):
                for bad in files[number:]:
                    bad.unlink()
                return

    def append(self, chunk: int, vectors: Vectors) -> None:
        """Store chunk number `chunk`; durable when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        replace_file(self._file(chunk), buffer.getvalue())

    def read(self) -> Iterator[Vectors]:
        """The stored chunks in order, each of shape (up to CHUNK, dim)."""
        for chunk in range(self._done()[0]):
            yield np.load(self._file(chunk), allow_pickle=False)

    def _done(self) -> tuple[int, int]:
        """Chunks and rows on disk."""
        chunks = 0
        while self._file(chunks).exists():
            chunks += 1
        last = len(np.load(self._file(chunks - 1), mmap_mode="r", allow_pickle=False)) if chunks else 0
        return chunks, max(chunks - 1, 0) * CHUNK + last

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
    encode: Callable[[list[str]], Vectors],
    store: VectorStore,
    advance: Callable[[int], None],
) -> None:
    """Encode `texts` into `store`, from the first chunk that is not there yet.

    Chunks are cut at fixed places, so that an interrupted run encodes the same batches as a whole one.
    `advance` hears of every text done, those of an earlier run first.
    """
    done = -(-store.rows_done() // CHUNK)
    for number, chunk in enumerate(in_chunks(texts, CHUNK)):
        if number >= done:
            store.append(number, encode(chunk))
        advance(len(chunk))


def in_chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
