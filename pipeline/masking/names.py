"""Names of people: after a title, a label or a salutation, or where known names stand together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.lexicon import Lexicon, bare, load_lexicon
from pipeline.masking.name_patterns import PATTERNS, TOKEN, Evidence, NamePattern, common_name_pattern
from pipeline.masking.rules import matches


def name_finder() -> NameFinder:
    """A finder with the words of `words.toml` and Faker's names (reads them: about 0.2 s)."""
    lexicon = load_lexicon()
    return NameFinder(lexicon, (*PATTERNS, common_name_pattern(lexicon.common)))


@dataclass(frozen=True, slots=True)
class NameFinder:
    """Finds names by their surroundings, then every other mention of a name so found."""

    lexicon: Lexicon
    patterns: Sequence[NamePattern]

    def __call__(self, text: str) -> Iterator[Span]:
        """Every name in a text."""
        spans = [span for pattern in self.patterns for span in self._by(pattern, text)]
        yield from spans
        yield from self._again(text, spans)

    def _by(self, pattern: NamePattern, text: str) -> Iterator[Span]:
        for match in matches(pattern.regex, text, overlapped=pattern.evidence is Evidence.PAIR):
            start, end = match.span("x")
            words = self._trim(text, start, end)
            if pattern.evidence is Evidence.COMMON and not self._family(words[1:]):
                words = words[:1]
            if words and self._holds(pattern.evidence, text, words):
                end = words[-1].end()
                yield Span(self._from(text, words[0].start()), end - text[:end].endswith("."), Kind.NAME)

    def _trim(self, text: str, start: int, end: int) -> list[regex.Match[str]]:
        """The words up to the first that cannot belong to a name; on a new line only known names do."""
        kept: list[regex.Match[str]] = []
        for word in TOKEN.finditer(text, start, end):
            low = bare(word.group())
            initial = len(low) == 1 and word.group().isupper()
            if not initial and (low in self.lexicon.stop or (kept and low in self.lexicon.heads)):
                break
            if kept and "\n" in text[kept[-1].end() : word.start()] and not self._goes_on(kept, word.group()):
                break
            kept.append(word)
        while kept and kept[-1].group() in _PARTICLES:
            kept.pop()
        return kept

    def _from(self, text: str, start: int) -> int:
        """Where a name starts whose given name is an ordinary word too, as in "Autumn Mitchell"."""
        before = _WORD_BEFORE.search(text, max(0, start - 30), start)
        if before is None or bare(before[1]) not in self.lexicon.forenames - self.lexicon.stop:
            return start
        return before.start(1)

    def _goes_on(self, kept: list[regex.Match[str]], word: str) -> bool:
        """Whether a word on the next line is of the same name: known, or the family name still missing."""
        full = [each.group() for each in kept if len(bare(each.group())) > 1]
        given = bool(full) and all(self.lexicon.is_given(each) for each in full)
        same_case = word.isupper() == full[-1].isupper() if full else False
        return self._known(word) or (given and same_case and bare(word) not in self.lexicon.ordinary)

    def _family(self, words: Sequence[regex.Match[str]]) -> bool:
        return any(bare(word.group()) in self.lexicon.surnames for word in words)

    def _known(self, word: str) -> bool:
        low = bare(word)
        return self.lexicon.is_name(word) or low in self.lexicon.given | self.lexicon.family

    def _holds(self, evidence: Evidence, text: str, words: list[regex.Match[str]]) -> bool:
        """Whether the words are a name, given how much their surroundings say already."""
        full = [word.group() for word in words if len(bare(word.group())) > 1]
        if evidence is Evidence.CERTAIN:
            return not self._is_phrase(full)
        if not full or self._names_a_thing(text, words, full):
            return False
        if evidence is Evidence.ONE_KNOWN:
            return any(self.lexicon.is_name(word) for word in full)
        if evidence is Evidence.LISTED:
            return any(self._known(word) for word in full)
        if evidence is Evidence.FAMILY:
            return bare(full[-1]) in self.lexicon.family
        if evidence is Evidence.COMMON:
            return not _abbreviates(full[0])
        if evidence is Evidence.UNLISTED:
            return len(full) > 1 and not any(bare(word) in self.lexicon.ordinary for word in full)
        if evidence is Evidence.GIVEN_FIRST:
            return not _abbreviates(full[0]) and self.lexicon.is_given(full[0])
        return len(full) > 1 and self._pair(full)

    def _pair(self, full: list[str]) -> bool:
        """A given name before or after a family name."""
        first, second = full[0], full[1]
        listed = self.lexicon.given
        given = bare(first) in listed or (self._known(first) and bare(second) in listed)
        return given and (self._known(second) or bare(second) in self.lexicon.surnames)

    def _names_a_thing(self, text: str, words: list[regex.Match[str]], full: list[str]) -> bool:
        if any(" ".join(bare(w) for w in pair) in self.lexicon.phrases for pair in pairwise(full)):
            return True
        after = TOKEN.findall(text[words[-1].end() : words[-1].end() + 40])
        return any(bare(word) in self.lexicon.heads for word in after[:2] if bare(word) != "s")

    def _is_phrase(self, full: list[str]) -> bool:
        pairs = pairwise(full)
        return any(f"{bare(first)} {bare(second)}" in self.lexicon.phrases for first, second in pairs)

    def _again(self, text: str, spans: Sequence[Span]) -> Iterator[Span]:
        """Every other place where a part of a name found stands alone, unless it is a word or an eponym."""
        parts = {word for span in spans for word in TOKEN.findall(text[span.start : span.end])}
        alone = sorted({part for part in map(_own, parts) if self._stands_alone(part)})
        if not alone:
            return
        either = "|".join(regex.escape(form) for part in alone for form in _forms(part))
        for match in matches(regex.compile(rf"(?<![\p{{L}}\-])(?:{either})(?![\p{{L}}])"), text):
            after = TOKEN.search(
                text[match.end() : match.end() + 25].removeprefix("'s").removeprefix("\u2019s")
            )
            if after is None or bare(after.group()) not in self.lexicon.heads:
                yield Span(match.start(), match.end(), Kind.NAME)

    def _stands_alone(self, part: str) -> bool:
        low = bare(part)
        if len(low) < 3 or low in self.lexicon.stop or low in self.lexicon.eponyms:
            return False
        if part.islower():
            return self.lexicon.is_name(part)
        return low not in _PARTICLES


def _abbreviates(word: str) -> bool:
    return word.isupper() and len(word) <= _LONGEST_ABBREVIATION


def _own(word: str) -> str:
    return word[: len(bare(word))]


def _forms(part: str) -> tuple[str, ...]:
    return (part,) if part.islower() else (part.title(), part, part.upper())


_LONGEST_ABBREVIATION = 4
"""Capitals such as "ICA" are an abbreviation, "ANNA" mostly a name that is found by what stands around it."""

_WORD_BEFORE = regex.compile(r"\b(\p{Lu}\p{Ll}+)[ \t]+$")
_PARTICLES = frozenset(
    (
        "van",
        "von",
        "de",
        "der",
        "den",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "la",
        "le",
        "du",
        "al",
        "el",
        "bin",
        "ibn",
        "ter",
        "ten",
        "y",
        "e",
    )
)
