"""One JSON line as a checked record: what BEIR folders and JSONL notes have in common."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medsearch.corpora.lines import read_lines
from medsearch.corpora.nesting import MAX_DEPTH, is_too_deep
from medsearch.corpora.rejects import Rejects

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class BadRecordError(Exception):
    """What is wrong with one record; the caller knows where it stands."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record with an id and text; `where` is `path/file:LINE`, `raw` the line as it was."""

    where: str
    raw: str
    record_id: str
    title: str
    text: str
    metadata: Mapping[str, object]


class SeenIds:
    """Tells ids that came before. Memory is about 130 bytes an id, however long ids are."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def is_repeated(self, record_id: str) -> bool:
        """Whether `record_id` was asked about before."""
        digest = hashlib.blake2b(record_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._digests:
            return True
        self._digests.add(digest)
        return False


def read_json_records(path: Path, seen: SeenIds, rejects: Rejects) -> Iterator[Record]:
    """Yield the good records of a JSON-lines file; set aside every other with its line and reason."""
    for number, line in read_lines(path, rejects):
        where = f"{path}:{number}"
        try:
            record = parse_record(line, where)
            check_new(record, seen)
        except BadRecordError as error:
            rejects.set_aside(where, str(error), line.decode("utf-8", "replace"))
        else:
            yield record


def parse_record(line: bytes, where: str) -> Record:
    """Read one JSON line; keys `_id` or `id`, `text` or `note`, `title`, `metadata`.

    Raises:
        BadRecordError: broken UTF-8, invalid JSON, no id, nothing to read, or a field of the wrong type.
    """
    try:
        raw = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecordError(f"broken UTF-8: {error.reason} at byte {error.start + 1} of the line") from None
    fields = _load_object(raw)
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise BadRecordError(f"metadata is {_json_kind(metadata)}, not an object")
    return make_record(where, raw, {**fields, "metadata": metadata or {}})


def make_record(where: str, raw: str, fields: Mapping[str, object]) -> Record:
    """Check id, title and text of parsed fields, in which `metadata` is an object.

    Raises:
        BadRecordError: no id, nothing to read, or a field of the wrong type.
    """
    title = _optional_string(fields, "title")
    text = _optional_string(fields, "text") or _optional_string(fields, "note")
    record_id = _record_id(fields)
    if not title.strip() and not text.strip():
        raise BadRecordError(f"text and title of {record_id!r} are both empty")
    metadata = fields["metadata"]
    return Record(where, raw, record_id, title, text, metadata if isinstance(metadata, dict) else {})


def check_new(record: Record, seen: SeenIds) -> None:
    """Refuse a second record with the same id.

    Raises:
        BadRecordError: the id came before in this corpus.
    """
    if seen.is_repeated(record.record_id):
        raise BadRecordError(f"duplicate id {record.record_id!r}; the first record with it is kept")


def _load_object(raw: str) -> dict[str, object]:
    if is_too_deep(raw):
        raise BadRecordError(f"invalid JSON: nested more than {MAX_DEPTH} levels deep")
    try:
        # pandas and numpy write NaN for a missing value, which JSON does not know.
        value = json.loads(raw, parse_constant=lambda _name: None)
    except json.JSONDecodeError as error:
        raise BadRecordError(f"invalid JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise BadRecordError(f"invalid JSON: {str(error).partition(';')[0]}") from None
    if not isinstance(value, dict):
        raise BadRecordError(f"record is {_json_kind(value)}, not an object")
    if _SURROGATE_ESCAPE.search(raw):
        _refuse_lone_surrogates(value)
    return value


def _refuse_lone_surrogates(value: dict[str, object]) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecordError("broken Unicode: half of a surrogate pair stands alone") from None


def _record_id(fields: Mapping[str, object]) -> str:
    value = fields.get("_id", fields.get("id"))
    if value is None:
        raise BadRecordError("no id (neither _id nor id)")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadRecordError(f"id is {_json_kind(value)}, not a string")
    if not value.strip():
        raise BadRecordError("id is empty")
    return value


def _optional_string(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecordError(f"{key} is {_json_kind(value)}, not a string")
    return value


def _json_kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return {"str": "a string", "list": "a list"}.get(type(value).__name__, "an object")
