"""Where sentences begin and end in medical text, notes and lists included."""

from __future__ import annotations

import re
from collections.abc import Iterator

from medsearch.corpora.wrapping import cut_at_lines, unwrapped_lines
from medsearch.types import Metadata

# sentencex knows general abbreviations; these are the clinical ones that it takes for a sentence's end.
_CLINICAL = """
    approx b.d b.i.d bid cm dept dx ed est fig figs g h.s hr hrs hx i.m i.v incl kg mcg mg min mins ml
    mm mmhg mo mos o.d p.o p.r.n pt pts q.d q.i.d q.o.d refs rx s.c subq t.d.s t.i.d tab tabs tid
    tx vol wk wks yr yrs
"""
_CLINICAL_ABBREVIATIONS = frozenset(_CLINICAL.split())
_LAST_WORD = re.compile(r"(?<![\w.])([\w.]+)\.\s*$")

_LIST_MARKER = re.compile(r"\(?(\d{1,3}|[A-Za-z])[.)]")

_LONGEST_JOINED = 800
"""Characters, about 200 tokens: beyond it, lines without a full stop are a list and not one sentence."""


def sentence_spans(text: str, language: str = "en") -> list[tuple[int, int]]:
    """Character spans of the sentences of `text`, in order, without the white space around them.

    A line break ends a sentence too, as in notes and lists, unless it only wraps the sentence (see
    `unwrapped_lines`). A span never ends inside a sentence as sentencex, the abbreviations above and those
    rules see it; a missed boundary only makes a longer span. Joined lines without a full stop are cut
    again, at a line break, where they would be longer than 800 characters.
    """
    spans: list[tuple[int, int]] = []
    for start, end in unwrapped_lines(text):
        for first, last in _sentences_of(text, start, end, language):
            spans.extend(cut_at_lines(text, first, last, _LONGEST_JOINED))
    return spans


def language_of(metadata: Metadata) -> str:
    """The document's language as a two-letter code; English where it does not say."""
    language = metadata.get("language")
    return language[:2].lower() if isinstance(language, str) and len(language) >= 2 else "en"


def _sentences_of(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    from sentencex import get_sentence_boundaries

    line = text[start:end].replace("\n", " ")  # sentencex takes a number after a line break for a list's
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
    """Whether what follows belongs to the same sentence: a list's number, an abbreviation, a lower case."""
    rest = line[last:].lstrip()
    if not rest:
        return False
    if _LIST_MARKER.fullmatch(line[first:last]):
        return True
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
