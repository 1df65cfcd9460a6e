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

    def chunks_done(self) -> int:
        """How many chunks, counted from the first without a gap, are on disk."""
        done = 0
        while self._file(done).exists():
            done += 1
        return done

    def rows_done(self) -> int:
        """How many vectors are on disk."""
        done = self.chunks_done()
        return (done - 1) * CHUNK + len(np.load(self._file(done - 1), mmap_mode="r")) if done else 0

    def append(self, chunk: int, vectors: Vectors) -> None:
        """Store chunk number `chunk`; durable when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        replace_file(self._file(chunk), buffer.getvalue())

    def read(self) -> Iterator[Vectors]:
        """The stored chunks in order, each of shape (up to CHUNK, dim)."""
        for chunk in range(self.chunks_done()):
            yield np.load(self._file(chunk), allow_pickle=False)

    def read_all(self, dim: int) -> Vectors:
        """All stored vectors, shape (n, dim)."""
        chunks = list(self.read())
        return np.concatenate(chunks) if chunks else np.zeros((0, dim), dtype=np.float32)

    def _file(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.npy"


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
    done = store.chunks_done()
    for number, chunk in enumerate(in_chunks(texts, CHUNK)):
        if number >= done:
            store.append(number, encode(chunk))
        advance(len(chunk))


def in_chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
