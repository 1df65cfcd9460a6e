"""Finds the words that an LLM quotes in the note they should come from."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grounded:
    """Where a quotation stands in a note: characters `start` to `end`; `alignment` 100 is word for word."""

    start: int
    end: int
    alignment: float


def ground(quotation: str, note: str, *, min_alignment: float) -> Grounded | None:
    """Find a quotation in a note: exactly (but for white space, case and quotation marks), else by alignment.

    The alignment is the stretch of the note, as long as the quotation, that comes closest by rapidfuzz's
    partial ratio (100 times the share of characters that agree, insertions and deletions counted); it is
    widened to whole words, and accepted from `min_alignment` on, unless its numbers or negations are not
    those of the quotation.
    """
    wanted = quotation.strip().strip(_MARKS).strip()
    if not wanted:
        return None
    pattern = r"\s+".join(re.escape(word) for word in wanted.split())
    exact = re.search(pattern, note) or re.search(pattern, note, re.IGNORECASE)
    if exact:
        return Grounded(*_whole_words(note, exact.start(), exact.end()), alignment=100.0)
    if len(wanted) > len(note):
        return None
    from rapidfuzz import fuzz

    aligned = fuzz.partial_ratio_alignment(wanted.lower(), _lower(note), score_cutoff=min_alignment)
    if aligned is None or aligned.dest_start == aligned.dest_end:
        return None
    start, end = _whole_words(note, aligned.dest_start, aligned.dest_end)
    if _decisive(wanted) != _decisive(note[start:end]):
        return None
    return Grounded(start, end, round(aligned.score, 1))


_MARKS = "\"'\u201c\u201d\u2018\u2019\u00ab\u00bb"


_DECISIVE = re.compile(
    r"\d+(?:[.,]\d+)*|\b(?:no|not|none|never|without|neither|nor|negative|absent|denied)\b"
)


def _decisive(text: str) -> list[str]:
    """The numbers and negations of a text: one more or less of them is another statement."""
    return sorted(_DECISIVE.findall(text.lower()))


def _lower(text: str) -> str:
    """Lower case with every character in its place (a few change length when lowered)."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _whole_words(note: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and note[start - 1].isalnum() and note[start].isalnum():
        start -= 1
    while end < len(note) and note[end].isalnum() and note[end - 1].isalnum():
        end += 1
    if end < len(note) and note[end] in ".!?":
        end += 1
    return start, end
