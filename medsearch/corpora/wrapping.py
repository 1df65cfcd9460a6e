"""Which line breaks end a sentence and which only wrap it: hard-wrapped prose, notes and lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_LINE_BREAK = re.compile(r"(?<![ \t\r])[ \t\r]*\n\s*")
_SENTENCE_END = re.compile(r"[.!?:;][\"'\u201d\u2019)\]]*$")
_BULLET = re.compile(r"(?:[-*•·▪‣\u2013\u2014]|o(?=\s+[A-Z])|\d{1,2}[.)]|[a-z]\))\s")
_FIELD = re.compile(r"[A-Z][\w /()&'-]{0,40}:(?:\s|$)")

# A line that stops at one of these cannot be a whole item. Lower case only: "OR" is a theatre, "A" a vitamin.
_UNFINISHED = re.compile(
    r"""(?:[,(\[/-]
    | (?:^|\s)(?:Drs?|Mrs?|Ms|Prof|vs|al|[Ff]igs?|cf|e\.g|i\.e|approx)\.
    | (?:^|\s)(?:OF|THE|AND|WITH|FOR
        |a|an|the|his|their|its
        |of|to|with|without|for|from|by|at|in|into|on|as|per|than|between|during|under|about|until|because
        |and|or|but|nor|if|while|when|which|who|whose
        |is|are|was|were|be|been|being|has|have|had|does|did|will|would|can|could|may|might|should|must
        |given|received|underwent|showed|shows|revealed|denies|denied|include|includes|including
    ))$""",
    re.VERBOSE,
)
_LABEL = re.compile(
    r"\b(?:stages?|grades?|types?|class|phase|figures?|tables?|levels?|factor)$", re.IGNORECASE
)
_NUMERAL = re.compile(r"(?:\d|[IVX]+[a-cA-C]?\b)")

_FULL_LINE = 0.62
"""How long a wrapped line is at least, as a share of the longest: the next word did not fit."""

_WIDEST_WRAP = 130
"""Characters; a longer line is a paragraph of its own, so nothing was wrapped by hand there."""

_WRAPPED_BREAKS = 1 / 3
"""Share of the breaks after an open line that must plainly go on before the others are taken to."""


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def unwrapped_lines(text: str) -> Iterator[tuple[int, int]]:
    """Character spans of the lines of `text`, those that only wrap a sentence joined to the next one.

    A break wraps where the next line goes on in lower case or the line stops at a comma, hyphen, bracket
    or a word that needs another ("of", "was", "and"). In a paragraph that is plainly hard-wrapped, so does
    every break after a full line without a full stop. Headings, "Field: value" lines and bullets break.
    """
    for paragraph in _paragraphs(text):
        width = _wrap_width(paragraph)
        start = paragraph[0].start
        for line, following in pairwise(paragraph):
            full = width and len(line.text) >= _FULL_LINE * width
            if _goes_on(line.text, following.text) or (full and _may_go_on(line.text, following.text)):
                continue
            yield start, line.end
            start = following.start
        yield start, paragraph[-1].end


def cut_at_lines(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """The span in pieces of at most `limit` characters, cut only at line breaks; a line may be longer."""
    last = None
    for line_break in _LINE_BREAK.finditer(text, start, end):
        if last is not None and line_break.start() - start > limit:
            yield start, last.start()
            start = last.end()
        last = line_break
    if last is not None and end - start > limit:
        yield start, last.start()
        start = last.end()
    yield start, end


def _paragraphs(text: str) -> Iterator[list[_Line]]:
    """Lines that are not blank, in runs between blank lines."""
    paragraph: list[_Line] = []
    start = 0
    for line_break in _LINE_BREAK.finditer(text):
        paragraph += _line(text, start, line_break.start())
        start = line_break.end()
        if paragraph and line_break.group().count("\n") > 1:
            yield paragraph
            paragraph = []
    paragraph += _line(text, start, len(text))
    if paragraph:
        yield paragraph


def _line(text: str, start: int, end: int) -> list[_Line]:
    line = text[start:end].strip()
    return [_Line(start, end, line)] if line else []


def _wrap_width(paragraph: Sequence[_Line]) -> int:
    """The longest line's length where the paragraph is hard-wrapped, else 0."""
    width = max(len(line.text) for line in paragraph)
    full = sum(len(line.text) >= _FULL_LINE * width for line in paragraph)
    open_breaks = [
        _goes_on(line.text, following.text)
        for line, following in pairwise(paragraph)
        if not _SENTENCE_END.search(line.text)
    ]
    evident = sum(open_breaks) >= max(1, _WRAPPED_BREAKS * len(open_breaks))
    return width if evident and full > 1 and width <= _WIDEST_WRAP else 0


def _goes_on(line: str, following: str) -> bool:
    """Whether the sentence plainly goes on in the next line."""
    if _UNFINISHED.search(line):
        return True
    if _BULLET.match(following):
        return False
    return following[0].islower() or bool(_LABEL.search(line) and _NUMERAL.match(following))


def _may_go_on(line: str, following: str) -> bool:
    """Whether neither line looks like an end, a heading, a field or an item of a list."""
    if _SENTENCE_END.search(line) or _is_heading(line):
        return False
    shouted = following.isupper() and len(following) > 3
    return not (_BULLET.match(following) or _FIELD.match(following) or shouted)


def _is_heading(line: str) -> bool:
    """CAPITALS, or Every Long Word Capitalised."""
    words = [word for word in re.findall(r"[^\W\d_]+", line) if len(word) > 3]
    return line.isupper() or (bool(words) and all(word[0].isupper() for word in words))
