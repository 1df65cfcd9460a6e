"""Notes as JSON lines or CSV, plain or gzip: one clinical text a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from medsearch.corpora.metadata import flatten_metadata
from medsearch.corpora.notes_csv import read_csv_records
from medsearch.corpora.records import Record, SeenIds, read_json_records
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document

CLINICAL_NOTE = "clinical_note"
"""The `kind` of a note that names none."""


def read_notes(files: Sequence[Path], source: str, rejects: Rejects) -> Iterator[Document]:
    """Yield the notes of several files, ids unique across them; `source` is for records that name none."""
    seen = SeenIds()
    for path in files:
        for record in _records(path, seen, rejects):
            metadata = dict(flatten_metadata(record.metadata, source=source))
            metadata["kind"] = metadata.get("kind") or CLINICAL_NOTE
            yield Document(record.record_id, record.title, record.text, metadata)


def is_csv(path: Path) -> bool:
    """Whether the name says CSV, compressed or not."""
    return path.name.lower().removesuffix(".gz").endswith(".csv")


def _records(path: Path, seen: SeenIds, rejects: Rejects) -> Iterator[Record]:
    return read_csv_records(path, seen, rejects) if is_csv(path) else read_json_records(path, seen, rejects)
