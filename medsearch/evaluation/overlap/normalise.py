"""Texts as words, so that case, punctuation, layout and compatibility characters do not count."""

from __future__ import annotations

import re
import unicodedata

# Chinese and Japanese write no spaces: there each sign is a word, or eight words would be a paragraph.
_SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+")

_LIGHT = (
    "a an the this that these those of in on at to for from by with about as and or is are was were be been "
    "being am do does did has have had can could may might will would shall should must i you he she it we "
    "they me him her us them my your his its our their what which there please"
)
FUNCTION_WORDS = frozenset(_LIGHT.split())
"""English words without a subject of their own. "no", "not", "without", "who", "how", "when" and their like
are left out: they change what is asked."""


def normalised_words(text: str) -> list[str]:
    """The words of a text under NFKC and case folding; none of a text without letters and digits."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(plain)
