"""What the command shows: progress with an estimate on stderr, tables and JSON on stdout."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PLAIN_INTERVAL = 10.0


class TerminalProgress:
    """A bar with an estimate where a person looks on, a line every ten seconds where none does."""

    def __init__(self) -> None:
        self._bars = sys.stderr.isatty()

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        """Begin a stage; the result is called with each step made."""
        from tqdm import tqdm

        bar = tqdm(
            desc=title,
            total=total,
            unit="",
            unit_scale=False,
            mininterval=0.2 if self._bars else _PLAIN_INTERVAL,
            ascii=not self._bars,
            leave=True,
            file=sys.stderr,
        )
        try:
            yield lambda steps: _advance(bar, steps)
        finally:
            bar.close()

    def say(self, line: str, /) -> None:
        """One line of plain English on stderr."""
        print(line, file=sys.stderr)


def _advance(bar: Any, steps: int) -> None:
    bar.update(steps)


def show_json(record: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    print(json.dumps(record, ensure_ascii=False, indent=2))


def show_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> None:
    """A plain table on stdout; numbers to the right."""
    from tabulate import tabulate

    cells = [[clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    print(tabulate(cells, headers=headers, disable_numparse=True, colalign=_alignment(rows, len(headers))))


def clean(text: str) -> str:
    """Text from a document without what could steer a terminal: control and direction characters."""
    return _CONTROL.sub(" ", text)


def _alignment(rows: Sequence[Sequence[object]], columns: int) -> list[str]:
    numeric = re.compile(r"[\d,.\-+ ]+")
    return [
        "right" if rows and all(numeric.fullmatch(str(row[column])) for row in rows) else "left"
        for column in range(columns)
    ]
