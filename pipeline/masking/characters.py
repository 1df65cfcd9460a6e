"""Characters that hide an identifier from every rule: full-width letters, invisible marks, split accents."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_STYLED = ("<wide>", "<narrow>", "<font>")
"""Unicode's marks for the same letter or digit made wider or narrower, or in another typeface."""

_HYPHENS = "\u2010\u2011"


def plain_characters(text: str) -> str:
    """A text whose letters, digits, blanks and hyphens are written in the one usual way.

    Accents join their letters (NFC), full-width and typeface forms become plain, invisible format characters
    (category Cf: zero-width blanks, soft hyphens, marks of direction) go, every blank is a space, and a line
    ends in one newline. NFKC would do this too but changes doses and units ("½" becomes three characters,
    "m²" becomes "m2"); here those stay. Doing it twice changes nothing.
    """
    if text.isascii() and "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", "".join(map(_plain, lines)))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if character in _HYPHENS:
        return "-"
    if unicodedata.decomposition(character).startswith(_STYLED):
        return unicodedata.normalize("NFKC", character)
    return character
