"""A note in, the note without its identifiers out."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from itertools import chain

import regex

from medsearch.errors import MedsearchError
from pipeline.masking.ages import find_ages
from pipeline.masking.characters import plain_characters
from pipeline.masking.contacts import find_contacts
from pipeline.masking.dates import find_dates
from pipeline.masking.kinds import Kind, Masked, Span
from pipeline.masking.names import name_finder
from pipeline.masking.numbers import find_labelled_numbers, find_long_numbers

Finder = Callable[[str], Iterable[Span]]

_ROUNDS = 5
"""A mask can bring what stood on its two sides together, so a note is masked until nothing more is found."""

_PACKAGES = ("Faker", "phonenumbers", "presidio-analyzer", "regex")
"""What masks or lists names beside the rules here; another version may mask otherwise."""

_PLACEHOLDER = regex.compile("|".join(sorted({regex.escape(kind.placeholder) for kind in Kind})))


class Masker:
    """Replaces names, dates, numbers, contacts and ages over 89; made once, since that reads word lists."""

    def __init__(self) -> None:
        """Read the lists of names and set up Presidio.

        Raises:
            MedsearchError: the packages of the extra "generate" are not installed.
        """
        try:
            from pipeline.masking.libraries import presidio_finder

            self._finders: tuple[Finder, ...] = (
                find_dates,
                presidio_finder(),
                find_labelled_numbers,
                find_contacts,
                find_long_numbers,
                find_ages,
                name_finder(),
            )
        except ModuleNotFoundError as error:
            raise _missing((error.name or "presidio_analyzer").split(".")[0]) from error

    def mask(self, text: str) -> Masked:
        """A note with a placeholder such as "[NAME]" for every identifier; masking it again changes nothing.

        The text comes back in plain characters (see `plain_characters`) even where nothing was masked, since
        an identifier in full-width letters or with invisible marks inside would pass every rule.

        Raises:
            UnmaskableError: the note is too long to be searched in time; it must not be sent anywhere.
        """
        text = plain_characters(text)
        found: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            spans = _merge(
                _outside_placeholders(text, chain.from_iterable(find(text) for find in self._finders))
            )
            if not spans:
                break
            found.update(span.kind.value for span in spans)
            text = _replace(text, spans)
        return Masked(text, dict(found))


def masking_version() -> str:
    """Twelve hexadecimal digits that change with the rules, their words, or the packages they rest on.

    Reads the sources of `pipeline.masking` and the versions of the installed packages; loads neither.

    Raises:
        MedsearchError: the packages of the extra "generate" are not installed.
    """
    digest = hashlib.sha256()
    folder = files("pipeline.masking")
    for name in sorted(each.name for each in folder.iterdir() if each.name.endswith((".py", ".toml"))):
        digest.update(f"{name}\n{folder.joinpath(name).read_text(encoding='utf-8')}\n".encode())
    for package in _PACKAGES:
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            raise _missing(package) from None
    return digest.hexdigest()[:12]


def _missing(package: str) -> MedsearchError:
    return MedsearchError(f"masking needs the package {package}: pip install 'medsearch[generate]'")


def _outside_placeholders(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Spans cut where a placeholder stands in them, so that none is masked twice."""
    taken = [match.span() for match in _PLACEHOLDER.finditer(text)]
    ends = [right for _, right in taken]
    for span in spans:
        start = span.start
        for left, right in taken[bisect_right(ends, start) :]:
            if left >= span.end:
                break
            yield from _worth_masking(text, Span(start, left, span.kind))
            start = right
        yield from _worth_masking(text, Span(start, span.end, span.kind))


def _worth_masking(text: str, span: Span) -> Iterator[Span]:
    """A span without blanks and punctuation at its ends, if any letter or digit is left."""
    start, end = span.start, span.end
    while start < end and not (text[start].isalnum() or text[start] in "(+'\u2019[:"):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] in ".)"):
        end -= 1
    if text[end - 1 : end] == ")" and "(" not in text[start:end]:
        end -= 1
    if any(character.isalnum() for character in text[start:end]):
        yield Span(start, end, span.kind)


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Disjoint spans in order; of spans that overlap the longest gives the kind."""
    merged: list[tuple[Span, int]] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        length = span.end - span.start
        if merged and span.start < merged[-1][0].end:
            last, longest = merged.pop()
            kind = span.kind if length > longest else last.kind
            merged.append((Span(last.start, max(last.end, span.end), kind), max(length, longest)))
        else:
            merged.append((span, length))
    return [span for span, _ in merged]


def _replace(text: str, spans: Sequence[Span]) -> str:
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces += [text[position : span.start], span.kind.placeholder]
        position = span.end
    return "".join([*pieces, text[position:]])
