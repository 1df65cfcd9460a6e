"""How deeply JSON may nest: a fixed limit, so that a record is good or bad wherever it is read."""

from __future__ import annotations

import re

MAX_DEPTH = 100
"""Python's own parser gives up somewhere below a thousand, depending on who called it."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def is_too_deep(raw: str) -> bool:
    """Whether brackets outside strings are ever more than `MAX_DEPTH` deep; `raw` need not be valid JSON."""
    if raw.count("[") + raw.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        if token.group() in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token.group() in ("]", "}"):
            depth -= 1
    return False
