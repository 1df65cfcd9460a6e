"""What the command shows: progress with an estimate on stderr, tables and JSON on stdout."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_STEERING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_STEERING}]")
_CONTROL_OR_BREAK = re.compile(f"[{_STEERING}\t\n]+")
_PLAIN_INTERVAL = 10.0


class TerminalProgress:
    """A bar with an estimate where a person looks on, a line every ten seconds where none does."""

    def __init__(self) -> None:
        self._bars = sys.stderr.isatty()
        self._running: list[Any] = []

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        """Begin a stage; the result is called with each step made."""
        from tqdm import tqdm

        bar = tqdm(
            desc=clean(title),
            total=total,
            unit="",
            unit_scale=False,
            mininterval=0.2 if self._bars else _PLAIN_INTERVAL,
            ascii=not self._bars,
            leave=True,
            file=sys.stderr,
        )
        self._running.append(bar)
        try:
            yield lambda steps: _advance(bar, steps)
        finally:
            self._running.remove(bar)
            bar.close()

    def say(self, line: str, /) -> None:
        """One line of plain English on stderr: above the bars, where there are any."""
        if self._running:
            self._running[-1].write(clean(line), file=sys.stderr)
        else:
            print(clean(line), file=sys.stderr)

    def note(self, text: str, /) -> None:
        """A few words that stand behind the last bar begun, from its next drawing on."""
        if self._running:
            self._running[-1].set_postfix_str(clean(text), refresh=False)


def _advance(bar: Any, steps: int) -> None:
    bar.update(steps)


def show_json(record: Mapping[str, Any]) -> None:
    """One JSON document on stdout; what could steer a terminal, or its encoding lacks, stands escaped."""
    text = json.dumps(record, ensure_ascii=not _speaks_unicode(), indent=2)
    print(_CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text))


def show_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> None:
    """A plain table on stdout; numbers to the right."""
    from tabulate import tabulate

    cells = [[clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    print(tabulate(cells, headers=headers, disable_numparse=True, colalign=_alignment(rows, len(headers))))


def clean(text: str, *, one_line: bool = True) -> str:
    """Text from a document or a file name without what could steer a terminal or forge its lines.

    Control characters, marks of direction and lone surrogates become spaces; with `one_line`, as for
    titles, ids and errors, so do line breaks and tabs.
    """
    return (_CONTROL_OR_BREAK if one_line else _CONTROL).sub(" ", text)


def positive_int(*, limit: int = 10_000) -> Callable[[str], int]:
    """An argparse type: a whole number from 1 to `limit`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\+?[0-9]{1,18}", text) or not 1 <= int(text) <= limit:
            raise argparse.ArgumentTypeError(f"{clean(text)!r} is not a whole number from 1 to {limit:,}")
        return int(text)

    return parse


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "").startswith("utf")


def _alignment(rows: Sequence[Sequence[object]], columns: int) -> list[str]:
    numeric = re.compile(r"[\d,.\-+ <\N{MINUS SIGN}]+")
    return [
        "right" if rows and all(numeric.fullmatch(str(row[column])) for row in rows) else "left"
        for column in range(columns)
    ]
