"""Text of documents and LLMs for a page or a card: nothing in it can hide, turn round or become markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~@$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=\bwww)\.|^[-+=#]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")


def visible(text: str) -> str:
    """Control characters, marks of direction, surrogates and what has no width are shown by their number."""
    return _STEERING.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def markdown(text: str) -> str:
    """Text that reads as itself in Markdown, on one line; HTML, links and formulas in it stay words."""
    line = " ".join(visible(text).split())
    return _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(lambda found: "\\" + found.group(), line))


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str | int | float]]) -> str:
    """A table of Markdown; whole numbers with separators of thousands, numbers to the right."""
    from tabulate import tabulate

    cells = [[markdown(cell) if isinstance(cell, str) else _number(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(not isinstance(row[place], str) for row in rows) for place in range(len(headers))
    ]
    alignment = ["right" if is_number else "left" for is_number in numeric]
    return tabulate(cells, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
