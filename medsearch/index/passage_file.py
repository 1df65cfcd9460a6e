"""The cut passages on disk, so that an interrupted build cuts and counts them once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path
from typing import Any

from medsearch.index.manifest import Counts, replace_file
from medsearch.types import Passage

_PAYLOAD_FIELDS = ("doc_id", "number", "title", "text", "section", "start", "end")


def write_passages(
    passages: Iterable[Passage], file: Path, advance: Callable[[int], None]
) -> tuple[int, int]:
    """Write passages as JSON lines, switched in when whole; returns (documents, passages).

    `advance` hears of each document.
    """
    partial = file.with_name(file.name + ".partial")
    documents = count = 0
    last = None
    with partial.open("w", encoding="utf-8") as stream:
        for passage in passages:
            stream.write(json.dumps(asdict(passage), ensure_ascii=False) + "\n")
            count += 1
            if passage.doc_id != last:
                documents += 1
                last = passage.doc_id
                advance(1)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    return documents, count


def write_counts(counts: Counts, passages: Path, file: Path) -> None:
    """Keep what was counted while cutting, and the digest of the passages, for a run that goes on later."""
    replace_file(file, json.dumps({**asdict(counts), "sha256": digest_of(passages)}).encode())


def read_counts(passages: Path, file: Path) -> Counts | None:
    """The counts of finished cutting; `None` where it has not finished or either file is damaged."""
    try:
        record = json.loads(file.read_bytes())
        intact = record.pop("sha256") == digest_of(passages)
        return Counts(**record) if intact else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def digest_of(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def read_passages(file: Path) -> Iterator[Passage]:
    """The passages of `file`, in order."""
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            yield passage_of(json.loads(line))


def passage_of(record: Mapping[str, Any]) -> Passage:
    """A passage from a line of the file or a payload of the engine; lists become tuples again."""
    metadata = {
        key: tuple(value) if isinstance(value, list) else value for key, value in record["metadata"].items()
    }
    return Passage(**{name: record[name] for name in _PAYLOAD_FIELDS}, metadata=metadata)
