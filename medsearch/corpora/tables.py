"""Rows of the table files that data sets come in: JSONL (plain or gzip), CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from medsearch.corpora.nesting import MAX_DEPTH, is_too_deep
from medsearch.errors import CorpusError

Row = Mapping[str, Any]


def read_rows(file: Path) -> Iterator[Row]:
    """Yield the rows of a table file, one mapping of column to value each, in order.

    Raises:
        CorpusError: not readable as what its name says, with the line where it stops being so.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv, ".tsv": _tsv, ".parquet": _parquet}
    suffix = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    if suffix not in readers:
        raise CorpusError(f"{file.name}: a table is one of {', '.join(readers)}")
    try:
        yield from readers[suffix](file)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file.name}: not UTF-8: {error.reason} at byte {error.start}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{file.name}: cannot be read to its end: {error}") from error


def _open(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _jsonl(file: Path) -> Iterator[Row]:
    with _open(file) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if is_too_deep(line):
                raise CorpusError(f"{file.name}:{number}: JSON nested more than {MAX_DEPTH} levels deep")
            try:
                row = json.loads(line)
            except ValueError as error:
                reason = str(error).partition(";")[0]
                raise CorpusError(f"{file.name}:{number}: not JSON: {reason}") from error
            if not isinstance(row, dict):
                raise CorpusError(f"{file.name}:{number}: not a JSON object")
            yield row


def _csv(file: Path) -> Iterator[Row]:
    with _open(file) as lines:
        yield from csv.DictReader(lines)


def _tsv(file: Path) -> Iterator[Row]:
    """BEIR's qrels: tab-separated, a header line, and no quoting."""
    with _open(file) as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def _parquet(file: Path) -> Iterator[Row]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise CorpusError(
            f"{file.name}: reading Parquet needs pyarrow; install it with: pip install 'medsearch[train]'"
        ) from error
    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except ValueError as error:
        raise CorpusError(f"{file.name}: not Parquet: {error}") from error
