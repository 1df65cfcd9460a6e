"""The texts of a training set, one by one from files of any size: JSON lines, plain or gzip, and Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsearch.corpora.lines import read_lines
from medsearch.corpora.rejects import Rejects
from medsearch.errors import MedsearchError
from medsearch.workbench.ledger.fields import FieldTally, TrainingText, texts_of_row

LINES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
PARQUET = ".parquet"

_ROWS_AT_ONCE = 256
_SHOWN = 8
_ARRAY = re.compile(rb"\[\s*(\{|$)")
NOT_AN_ARRAY = "one object a line is due, not a JSON array"


@dataclass(slots=True)
class Reading:
    """What to read, and what came of it: rows that cannot be read, and good ones without any text."""

    wanted: tuple[str, ...] = ()
    unreadable: Rejects = field(default_factory=Rejects)
    without_text: Rejects = field(default_factory=Rejects)
    fields: FieldTally = field(default_factory=FieldTally)

    @property
    def is_array(self) -> bool:
        """Whether a file was no JSON lines but one JSON array."""
        return any(NOT_AN_ARRAY in example for example in self.unreadable.examples)


def read_training_texts(path: Path, reading: Reading) -> Iterator[tuple[int, list[TrainingText]]]:
    """The number of each row with texts, and these; see `fields.texts_of_row` for which they are.

    Raises:
        MedsearchError: it is Parquet, and pyarrow is not installed or cannot read it.
    """
    for number, row in read_rows(path, reading.unreadable):
        if texts := texts_in(path, number, row, reading):
            yield number, texts


def texts_in(path: Path, number: int, row: Mapping[str, Any], reading: Reading) -> list[TrainingText]:
    """The texts of a row; one without is written down."""
    texts = list(texts_of_row(number, row, reading.wanted, reading.fields))
    if not texts:
        names = ", ".join(list(row)[:_SHOWN])
        reading.without_text.set_aside(
            f"{path}:{number}", f"no text; its fields are {names or '(none)'}: name some with --fields"
        )
    return texts


def read_rows(path: Path, rejects: Rejects) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file by number from 1; a broken one is set aside.

    Raises:
        MedsearchError: it is Parquet, and pyarrow is not installed or cannot read it.
    """
    return _parquet_rows(path) if path.name.endswith(PARQUET) else _json_rows(path, rejects)


def _json_rows(path: Path, rejects: Rejects) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in read_lines(path, rejects):
        if number == 1 and _ARRAY.match(line):
            rejects.set_aside(f"{path}:{number}", NOT_AN_ARRAY)
            return
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
