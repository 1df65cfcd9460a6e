"""CSV with a header row, read so that one bad row costs no other."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medsearch.corpora.lines import read_lines
from medsearch.corpora.records import BadRecordError, Record, SeenIds, check_new, make_record
from medsearch.corpora.rejects import Rejects

ID_COLUMNS = ("_id", "id")
TEXT_COLUMNS = ("text", "note")


@dataclass(frozen=True, slots=True)
class Header:
    """The column names in lower case, their delimiter, and the line that they stand on (0: no header)."""

    columns: tuple[str, ...]
    delimiter: str
    line: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One logical row from line `first` on; `problem` says why its cells cannot be trusted, if so."""

    first: int
    raw: str
    cells: tuple[str, ...]
    problem: str = ""


class _Lines:
    """Physical lines for `csv.reader`; remembers those of the current row and can be given them back.

    Undecodable bytes travel as lone surrogates, so that they spoil only the row in which they stand.
    """

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self._source = lines
        self._again: deque[tuple[int, str]] = deque()
        self.row: list[tuple[int, str]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            entry = self._again.popleft()
        else:
            number, line = next(self._source)
            entry = (number, line.decode("utf-8", "surrogateescape"))
        self.row.append(entry)
        return entry[1]

    def give_back(self) -> None:
        """Read the current row's lines again, but for its first."""
        self._again.extendleft(reversed(self.row[1:]))


def read_header(path: Path) -> Header:
    """The first line's columns; the delimiter is comma, semicolon or tab, whichever is commonest there."""
    for number, line in read_lines(path, Rejects()):
        text = line.decode("utf-8", "replace")
        delimiter = max(",;\t", key=text.count)
        names = next(csv.reader([text], delimiter=delimiter), [])
        return Header(tuple(name.strip().lower() for name in names), delimiter, number)
    return Header((), ",", 0)


def missing_columns(header: Header) -> str:
    """What a header lacks to be one of notes, in words; empty when nothing."""
    wanted = (ID_COLUMNS, TEXT_COLUMNS)
    return " and ".join(" or ".join(names) for names in wanted if not set(names) & set(header.columns))


def read_csv_records(path: Path, seen: SeenIds, rejects: Rejects) -> Iterator[Record]:
    """Yield the good rows; columns other than id, text and title are metadata, empty cells left out.

    A row whose quotes do not pair may have swallowed rows below it, or its own further lines may look like
    rows. So reading goes on at the first line that starts a row with an id of a shape met before, and the
    lines up to there are set aside as one.
    """
    header = read_header(path)
    if missing := missing_columns(header):
        columns = ", ".join(header.columns) or "none"
        rejects.set_aside(f"{path}:{max(header.line, 1)}", f"no column {missing}; the columns are {columns}")
        return
    broken: _Row | None = None
    shapes: set[str] = set()
    for row in _read_rows(path, header, rejects):
        where = f"{path}:{row.first}"
        try:
            record = _make_record(where, row, header)
            if broken and shapes and _shape(record.record_id) not in shapes:
                continue
            check_new(record, seen)
        except BadRecordError as error:
            if row.problem and broken is None:
                broken = row
            elif broken is None:
                rejects.set_aside(where, str(error), row.raw)
            continue
        if broken:
            _set_aside_range(path, broken, row.first - 1, rejects)
            broken = None
        shapes.add(_shape(record.record_id))
        yield record
    if broken:
        _set_aside_range(path, broken, None, rejects)


def _read_rows(path: Path, header: Header, rejects: Rejects) -> Iterator[_Row]:
    below_header = (entry for entry in read_lines(path, rejects, as_is=True) if entry[0] > header.line)
    lines = _Lines(below_header)
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
    while True:
        lines.row = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            first, text = lines.row[0]
            lines.give_back()
            yield _Row(
                first, _readable(text), (), f"invalid CSV: {error} (a quote not closed or not doubled)"
            )
        else:
            if cells:
                raw = _readable("".join(text for _, text in lines.row))
                yield _Row(lines.row[0][0], raw, tuple(cells))


def _make_record(where: str, row: _Row, header: Header) -> Record:
    if row.problem:
        raise BadRecordError(row.problem)
    try:
        "".join(row.cells).encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecordError("broken UTF-8; save the file as UTF-8") from None
    if len(row.cells) != len(header.columns):
        raise BadRecordError(f"{len(row.cells)} columns where the header has {len(header.columns)}")
    fields = dict(zip(header.columns, row.cells, strict=True))
    own = {*ID_COLUMNS, *TEXT_COLUMNS, "title", ""}
    metadata = {name: value for name, value in fields.items() if name not in own and value}
    return make_record(where, row.raw, {**fields, "metadata": metadata})


def _shape(record_id: str) -> str:
    """`mts0001` and `mts02` have one shape, `fever` has another."""
    return re.sub(r"[^\W_]+", lambda run: "9" if re.search(r"\d", run.group()) else "a", record_id)


def _set_aside_range(path: Path, row: _Row, last: int | None, rejects: Rejects) -> None:
    reach = "the end of the file" if last is None else str(last)
    lines = "" if last == row.first else f"; lines {row.first} to {reach} are set aside with it"
    rejects.set_aside(f"{path}:{row.first}", row.problem + lines, row.raw)


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r\n")
