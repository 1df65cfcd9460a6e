"""Text from documents as HTML: always escaped, the words that it shares with the query marked."""

from __future__ import annotations

import html
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from medsearch.search.highlight import matched_spans
from medsearch.types import ModelSpec

EXCERPT = 340
"""Characters of a passage that a card shows before it is opened: about four lines."""

_LEAD = 90
"""Characters that an excerpt may go back to begin with a whole sentence."""

_NAMED_WORDS = 8
_WORD_JOINER = "\u2060"
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Marker:
    """Finds the words of the query in a text; without a BM25 spec it finds none."""

    query: str
    spec: ModelSpec | None

    def spans(self, text: str) -> list[Span]:
        """Character spans of the shared words, in order."""
        return matched_spans(self.query, text, self.spec) if self.spec else []

    def shared_words(self, *texts: str) -> list[str]:
        """The distinct shared words as they are written in `texts`, in lower case; at most eight."""
        words = (text[start:end].lower() for text in texts for start, end in self.spans(text))
        return list(dict.fromkeys(words))[:_NAMED_WORDS]


def escaped(text: object) -> str:
    """Any value as text that is safe inside an element or a quoted attribute.

    Lone surrogates, which no browser could be sent, become question marks.
    """
    return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"), quote=True)


def marked(text: str, spans: Sequence[Span]) -> str:
    """`text` escaped, with its `spans` (in order, not overlapping) inside `<mark>`."""
    pieces, done = [], 0
    for start, end in spans:
        pieces += [escaped(text[done:start]), "<mark>", escaped(text[start:end]), "</mark>"]
        done = end
    return "".join([*pieces, escaped(text[done:])])


def marked_excerpt(text: str, spans: Sequence[Span], length: int = EXCERPT) -> str:
    """The part of `text` with the most different marked words, escaped and marked, "…" where it is cut."""
    start, end = best_window(text, spans, length)
    inside = [(a - start, b - start) for a, b in spans if start <= a and b <= end]
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return before + marked(text[start:end], inside) + after


def best_window(text: str, spans: Sequence[Span], length: int) -> Span:
    """Where to cut about `length` characters of `text`: most different marked words, earliest."""
    if len(text) <= length:
        return 0, len(text)
    most, first = 0, 0
    for number, (start, _) in enumerate(spans):
        inside = set()
        for a, b in spans[number:]:
            if b > start + length - _LEAD:
                break
            inside.add(text[a:b].lower())
        if len(inside) > most:
            most, first = len(inside), start
    begin = _beginning(text, min(first, len(text) - length + _LEAD))
    stop = min(len(text), begin + length)
    space = text.rfind(" ", begin + length // 2, stop + 1)
    return begin, stop if stop == len(text) or space < 0 else space


def _beginning(text: str, at: int) -> int:
    """The start of the sentence that holds `at` where it is near, else of a word a little before."""
    if at < _LEAD:
        return 0
    sentence = text.rfind(". ", at - _LEAD, at)
    if sentence >= 0:
        return sentence + 2
    word = text.rfind(" ", at - _LEAD, at - _LEAD // 2)
    return word + 1 if word >= 0 else at


def safe_link(value: object) -> str | None:
    """`value` where it is an http(s) address with a host and no hidden characters, else `None`."""
    if not isinstance(value, str) or not value.isprintable() or any(c in value for c in " \\\"'<>`"):
        return None
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        return None
    return value if parts.scheme in {"http", "https"} and host and "@" not in parts.netloc else None


def markdown_literal(text: str) -> str:
    """`text` on one line so that Streamlit's Markdown shows it letter by letter; `code` stays code.

    A word joiner keeps shortcodes (":name:", ":red[…]", "->") from being read after the escapes are gone.
    """
    parts = _CODE.split(" ".join(text.encode("utf-8", "replace").decode("utf-8").split()))
    return "".join(f"`{part}`" if number % 2 else _literal(part) for number, part in enumerate(parts))


def _literal(text: str) -> str:
    return "".join(
        f"\\{c}{_WORD_JOINER if c in ':-<>' else ''}" if c in string.punctuation else c for c in text
    )
