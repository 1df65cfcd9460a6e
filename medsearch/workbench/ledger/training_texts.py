"""The texts of a training set, one by one from files of any size: JSON lines, plain or gzip, and Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path
from typing import Any

from medsearch.corpora.lines import open_plain_or_gzip, read_lines
from medsearch.corpora.rejects import Rejects
from medsearch.errors import MedsearchError, UsageError

LINES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
PARQUET = ".parquet"

_ROWS_AT_ONCE = 256
_BYTES_AT_ONCE = 2**20
_SHOWN = 8


class Role(StrEnum):
    """What a text is there for in training."""

    QUERY = "query"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    TEXT = "text"
    """In a field of another name, which `--fields` asked for."""


_FIELDS = {
    Role.QUERY: re.compile(r"(query|question|anchor|sentence_?1?)"),
    Role.NEGATIVE: re.compile(r"(hard_?)?neg(ative)?(s|_?[0-9]+)?"),
    Role.POSITIVE: re.compile(
        r"(pos(itive)?|passage|document|context|answer|response|abstract|text|note)(s|_?[0-9]+)?|sentence_?2"
    ),
}


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text, and the row (line) and field that it stands in; rows count from 1."""

    row: int
    field: str
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file of training rows; `lines` estimates their number, for progress."""

    path: Path
    sha256: str
    lines: int


def training_files(paths: Iterable[Path]) -> list[TrainingFile]:
    """The files, and those at any depth of the folders, each once.

    Raises:
        UsageError: a path is missing, of another format, or a folder without such files.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_training(file)]
            if not inside:
                raise UsageError(f"--train {path}: no .jsonl, .jsonl.gz or .parquet file in this folder")
            found |= dict.fromkeys(inside)
        elif not path.is_file():
            raise UsageError(f"--train {path}: no such file or folder")
        elif not _is_training(path):
            raise UsageError(f"--train {path}: must be .jsonl, .jsonl.gz or .parquet, one row an example")
        else:
            found[path] = None
    return [_described(path) for path in found]


def read_training_texts(
    path: Path, fields: tuple[str, ...], rejects: Rejects
) -> Iterator[tuple[int, list[TrainingText]]]:
    """The number of each good row, and its texts.

    `fields` names what to read; if it is empty, fields with the names that training sets use are. A row that
    is broken or has no text is set aside.

    Raises:
        MedsearchError: it is Parquet, and pyarrow is not installed or cannot read it.
    """
    rows = _parquet_rows(path) if path.name.endswith(PARQUET) else _json_rows(path, rejects)
    for number, row in rows:
        texts = list(_texts(number, row, fields))
        if texts:
            yield number, texts
        else:
            names = ", ".join(list(row)[:_SHOWN])
            rejects.set_aside(
                f"{path}:{number}", f"no text; its fields are {names or '(none)'}: name some with --fields"
            )


def role_of(field: str) -> Role | None:
    """What a field of this name holds; `None` for ids, scores and all that is no text to train on."""
    name = field.strip().lower()
    return next((role for role, pattern in _FIELDS.items() if pattern.fullmatch(name)), None)


def _texts(number: int, row: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[TrainingText]:
    for field in fields or row:
        role = role_of(field)
        if role is None and not fields:
            continue
        for text in _strings(row.get(field)):
            # A bare document: its title is part of it, as a benchmark's is.
            whole = (
                f"{row['title']} {text}" if field == "text" and isinstance(row.get("title"), str) else text
            )
            yield TrainingText(number, field, role or Role.TEXT, whole)


def _strings(value: Any) -> Iterator[str]:
    """The texts of a field: a string, an object with `text` and perhaps `title`, or a list of either."""
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, Mapping):
        parts = [value[key] for key in ("title", "text") if isinstance(value.get(key), str)]
        if any(part.strip() for part in parts):
            yield " ".join(parts)
    elif isinstance(value, list):
        for item in value:
            if not isinstance(item, list):
                yield from _strings(item)


def _json_rows(path: Path, rejects: Rejects) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in read_lines(path, rejects):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            rejects.set_aside(f"{path}:{number}", "not a line of JSON")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            rejects.set_aside(f"{path}:{number}", "not a JSON object")


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        raise MedsearchError(
            f"{path}: reading Parquet needs pyarrow: pip install 'medsearch[train]', or give JSON lines"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            batches = (row for batch in file.iter_batches(_ROWS_AT_ONCE) for row in batch.to_pylist())
            yield from enumerate(batches, start=1)
    except (ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MedsearchError(f"{path}: not readable as Parquet ({reason})") from None


def _is_training(path: Path) -> bool:
    return path.name.endswith((*LINES, PARQUET)) and not path.name.startswith(".")


def _described(path: Path) -> TrainingFile:
    try:
        with path.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        return TrainingFile(path, digest, _lines(path))
    except OSError as error:
        raise UsageError(f"--train {path}: cannot be read: {error.strerror or error}") from None


def _lines(path: Path) -> int:
    """Lines of a plain file; 0 where to count them would take as long as to read it."""
    if path.name.endswith((".gz", PARQUET)):
        return 0
    with open_plain_or_gzip(path) as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(_BYTES_AT_ONCE), b""))
