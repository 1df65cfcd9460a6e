"""Names and notes for a page or a card: nothing in them can hide, turn round or become markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\ud800-\udfff\ufffe\uffff]"
)
_MARKDOWN = re.compile(
    r"[\\`*\[\]<>|~$]|@(?!\d)|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=\bwww)\.|^[-+=#]"
)
_NUMBERS = re.compile(r"[-+\u2212\u2013\d.,?% ]*(\[[-+\u2212\u2013\d., ]+\])?")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")


def visible(text: str) -> str:
    """Control characters, marks of direction, surrogates and what has no width are shown by their number."""
    return _STEERING.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def markdown(text: str) -> str:
    """Text that reads as itself in Markdown, on one line; HTML, links and formulas in it stay words."""
    line = " ".join(visible(text).split())
    return _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(lambda found: "\\" + found.group(), line))


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; columns of numbers, and of numbers with intervals, are set to the right."""
    from tabulate import tabulate

    cells = [[cell if _NUMBERS.fullmatch(cell) else markdown(cell) for cell in row] for row in rows]
    numeric = [all(_NUMBERS.fullmatch(row[place]) for row in rows) for place in range(len(headers))]
    alignment = ["right" if is_number else "left" for is_number in numeric]
    titles = [markdown(header) for header in headers]
    return tabulate(cells, headers=titles, tablefmt="pipe", disable_numparse=True, colalign=alignment)
