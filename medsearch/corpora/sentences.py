"""Where sentences begin and end in medical text, notes and lists included."""

from __future__ import annotations

import re
from collections.abc import Iterator

from medsearch.types import Metadata

# sentencex knows general abbreviations; these are the clinical ones that it takes for a sentence's end.
_CLINICAL = """
    approx b.d b.i.d bid cm dept dx ed est fig figs g h.s hr hrs hx i.m i.v incl kg mcg mg min mins ml
    mm mmhg mo mos o.d p.o p.r.n pt pts q.d q.i.d q.o.d refs rx s.c subq t.d.s t.i.d tab tabs tid
    tx vol wk wks yr yrs
"""
_CLINICAL_ABBREVIATIONS = frozenset(_CLINICAL.split())
_LAST_WORD = re.compile(r"([\w.]+)\.\s*$")
_LINE_BREAK = re.compile(r"[ \t\r]*\n\s*")


def sentence_spans(text: str, language: str = "en") -> list[tuple[int, int]]:
    """Character spans of the sentences of `text`, in order, without the white space around them.

    A line break ends a sentence too, as in notes and lists, unless the next line goes on in lower case
    or the line stops at a comma, hyphen or bracket. A span never ends inside a sentence as sentencex and
    the abbreviations above see it; a missed boundary only makes a longer span.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _lines(text):
        spans.extend(_sentences_of(text, start, end, language))
    return spans


def language_of(metadata: Metadata) -> str:
    """The document's language as a two-letter code; English where it does not say."""
    language = metadata.get("language")
    return language[:2].lower() if isinstance(language, str) and len(language) >= 2 else "en"


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line_break in _LINE_BREAK.finditer(text):
        before, after = text[start : line_break.start()], text[line_break.end() : line_break.end() + 1]
        blank_line = line_break.group().count("\n") > 1
        if not blank_line and (after.islower() or before.endswith((",", "-", "(", "[", "/"))):
            continue
        yield start, line_break.start()
        start = line_break.end()
    yield start, len(text)


def _sentences_of(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    from sentencex import get_sentence_boundaries

    line = text[start:end]
    open_at: int | None = None
    for boundary in get_sentence_boundaries(language, line):
        first, last = _trimmed(line, boundary["start_index"], boundary["end_index"])
        if first == last:
            continue
        open_at = first if open_at is None else open_at
        if _continues(line, first, last):
            continue
        yield start + open_at, start + last
        open_at = None
    if open_at is not None:
        first, last = _trimmed(line, open_at, len(line))
        yield start + first, start + last


def _continues(line: str, first: int, last: int) -> bool:
    """Whether what follows belongs to the same sentence: an abbreviation, or a lower-case start."""
    rest = line[last:].lstrip()
    if not rest:
        return False
    word = _LAST_WORD.search(line[first:last])
    if word is None:
        return False
    return rest[0].islower() or word.group(1).lower() in _CLINICAL_ABBREVIATIONS


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    stripped = piece.strip()
    if not stripped:
        return start, start
    first = start + len(piece) - len(piece.lstrip())
    return first, first + len(stripped)
