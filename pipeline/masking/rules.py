"""Patterns with a meaning, and how they are run: within a time limit, and never silently given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from pipeline.masking.kinds import Kind, Span, UnmaskableError

_SECONDS = 20
"""A pattern is linear in the note; only a note of many megabytes could need so long."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What matches `pattern` is masked: its group `x` where it has one, otherwise all of it."""

    kind: Kind
    pattern: regex.Pattern[str]


def rule(kind: Kind, pattern: str, *, any_case: bool = True) -> Rule:
    """A rule from a pattern in verbose syntax: blanks and comments in it count for nothing."""
    flags = regex.VERBOSE | regex.UNICODE | (regex.IGNORECASE if any_case else 0)
    return Rule(kind, regex.compile(pattern, flags))


def matches(
    pattern: regex.Pattern[str], text: str, *, overlapped: bool = False
) -> Iterator[regex.Match[str]]:
    """Every match in a text.

    Raises:
        UnmaskableError: it took too long; unlike a library that skips the pattern, nothing leaves unmasked.
    """
    try:
        yield from pattern.finditer(text, overlapped=overlapped, timeout=_SECONDS)
    except TimeoutError:
        raise UnmaskableError(
            f"masking identifiers took longer than {_SECONDS} s: split the note into shorter ones"
        ) from None


def find(rules: Sequence[Rule], text: str) -> Iterator[Span]:
    """Every span of a text that a rule masks."""
    for each in rules:
        group = "x" if "x" in each.pattern.groupindex else 0
        for match in matches(each.pattern, text):
            start, end = match.span(group)
            yield Span(start, end, each.kind)
