"""Whether a corpus is still the one that was indexed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from medsearch.corpora.locations import CorpusLocation, document_files

_CHUNK_BYTES = 2**20


def fingerprint(location: CorpusLocation) -> str:
    """SHA-256 over relative names and bytes of the files that documents come from, in the order of the names.

    Where the corpus lies does not matter; its queries and judgements are left out.
    """
    digest = hashlib.sha256()
    for name, file in _named_files(location):
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as data:
            while chunk := data.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def quick_stamp(location: CorpusLocation) -> str:
    """SHA-256 over names, sizes and modification times of the same files; cheap, but a touch changes it."""
    digest = hashlib.sha256()
    for name, file in _named_files(location):
        status = file.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _named_files(location: CorpusLocation) -> Iterator[tuple[str, Path]]:
    folder = location.path.parent if location.path.is_file() else location.path
    named = ((file.relative_to(folder).as_posix(), file) for file in document_files(location))
    return iter(sorted(named))
