"""Token vectors in chunk files that survive a kill: as `VectorStore`, of texts of any number of tokens."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from medsearch.index.manifest import replace_file
from medsearch.index.vectors import Encoded, chunks_of, texts_in
from medsearch.types import Vectors

STORED_TYPE = np.float16
"""Of token vectors in chunk files and in the shard (see `writer`), whatever they were encoded in."""


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Token vectors of texts 0, 1, 2 … in files of `CHUNK` texts, each written whole.

    Kept as `dtype`: by default in half precision, as the index keeps them. A file holds `lengths`, int64
    (texts,), and `vectors`, (sum of lengths, dim).
    """

    folder: Path
    dtype: DTypeLike = STORED_TYPE

    def has(self, chunk: int) -> bool:
        """Whether this chunk is on disk."""
        return self._file(chunk).exists()

    def is_whole(self, texts: int) -> bool:
        """Whether the vectors of this many texts are all on disk."""
        return all(self.has(chunk) for chunk in range(chunks_of(texts)))

    def drop_damaged(self, texts: int, dim: int) -> None:
        """Remove each file that is not the chunk of its place: of its type, width and number of texts."""
        expected = {self._file(chunk): texts_in(chunk, texts) for chunk in range(chunks_of(texts))}
        for file in self.folder.glob("*.npz"):
            found = self._read(file)
            if found is None or found[1].shape[1:] != (dim,) or len(found[0]) != expected.get(file):
                file.unlink()

    def append(self, chunk: int, vectors: Encoded) -> None:
        """Store chunk number `chunk`; durable when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        lengths = np.array([len(rows) for rows in vectors], dtype=np.int64)
        np.savez(buffer, lengths=lengths, vectors=np.concatenate(list(vectors)).astype(self.dtype))
        replace_file(self._file(chunk), buffer.getvalue())

    def read(self, texts: int) -> Iterator[list[Vectors]]:
        """The chunks of this many texts in order, (tokens, dim) for each text, as float32.

        Raises:
            OSError: a chunk is missing or damaged.
        """
        for chunk in range(chunks_of(texts)):
            found = self._read(self._file(chunk))
            if found is None:
                raise OSError(f"{self._file(chunk)} is missing or damaged")
            lengths, vectors = found
            yield np.split(vectors.astype(np.float32), np.cumsum(lengths)[:-1])

    def _read(self, file: Path) -> tuple[Vectors, Vectors] | None:
        """Lengths and vectors; `None` where the file is damaged, cut off or of another type."""
        try:
            with np.load(file, allow_pickle=False) as stored:
                lengths, vectors = stored["lengths"], stored["vectors"]
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
        whole = vectors.dtype == np.dtype(self.dtype) and vectors.ndim == 2 and lengths.sum() == len(vectors)
        return (lengths, vectors) if whole else None

    def _file(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.npz"
