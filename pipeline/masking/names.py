"""Names of people: after a title, a label or a salutation, or where known names stand together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import regex

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.lexicon import Lexicon, bare, is_listed, load_lexicon
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
        found = [(span, pattern.evidence) for pattern in self.patterns for span in self._by(pattern, text)]
        yield from (span for span, _ in found)
        sure = _words_in(text, (span for span, evidence in found if evidence.sure))
        yield from self._again(text, _words_in(text, (span for span, _ in found)), sure)

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
            stop = low in self.lexicon.stop and (kept or not self._surname_after_title(text, word))
            if not initial and (stop or (kept and low in self.lexicon.heads)):
                break
            if kept and "\n" in text[kept[-1].end() : word.start()] and not self._goes_on(kept, word.group()):
                break
            kept.append(word)
        while kept and kept[-1].group() in _PARTICLES:
            kept.pop()
        return kept

    def _surname_after_title(self, text: str, word: regex.Match[str]) -> bool:
        """Whether a word that mostly ends names is one, as in "Mr. March"."""
        titled = _OF_A_PERSON.search(text, max(0, word.start() - 8), word.start())
        low = bare(word.group())
        listed = low == "march" or low in self.lexicon.surnames | self.lexicon.forenames
        return titled is not None and listed and word.group().istitle()

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
        return self.lexicon.is_listed(word)

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
        if evidence is Evidence.STRANGE:
            return all(self.lexicon.is_strange(word) for word in full)
        if evidence is Evidence.GIVEN_AND_STRANGE:
            return len(full) > 1 and self.lexicon.is_given(full[0]) and self.lexicon.is_strange(full[-1])
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
        one, two = bare(first), bare(second)
        listed = self.lexicon.given
        given = is_listed(one, listed) or (self._known(first) and is_listed(two, listed))
        return given and (self._known(second) or two in self.lexicon.surnames)

    def _names_a_thing(self, text: str, words: list[regex.Match[str]], full: list[str]) -> bool:
        """Whether the words are of a phrase such as "Ivor Lewis", of a "... syndrome", or of a citation."""
        before = _ANY_WORD_BEFORE.search(text, max(0, words[0].start() - 30), words[0].start())
        after = [word for word in TOKEN.findall(text[words[-1].end() : words[-1].end() + 40]) if word != "s"]
        if self._is_phrase([*(before.groups() if before else ()), *full, *after[:1]]):
            return True
        # in "Anna had surgery" what follows the verb does not make a thing of her
        near = after[:1] if after and _LINKS.fullmatch(after[0]) else after[:2]
        headed = any(bare(word) in self.lexicon.heads for word in near)
        return (headed and not self._owns(text, words[-1], full)) or self._cites(text, words)

    def _owns(self, text: str, last: regex.Match[str], full: list[str]) -> bool:
        """Whether a thing is a patient's and not a discoverer's, as in "Sarah's operation"."""
        low = bare(full[0])
        given = len(full) == 1 and low in self.lexicon.common and low not in self.lexicon.surnames
        return given and _BELONGS.search(text, last.end() - 2, last.end() + 30) is not None

    def _cites(self, text: str, words: list[regex.Match[str]]) -> bool:
        """Whether a work is cited, as in "Mitchell et al." and "Kelly and Mitchell described"."""
        if _AND_OTHERS.match(text, words[-1].end()):
            return True
        start = words[0].start()
        first, second = (
            _AND_ANOTHER.match(text, words[-1].end()),
            _ANOTHER_AND.search(text, max(0, start - 40), start),
        )
        cited = first or (second if _DESCRIBED.match(text, words[-1].end()) else None)
        return cited is not None and bare(cited[1]) in self.lexicon.surnames and self._family(words[-1:])

    def _is_phrase(self, full: list[str]) -> bool:
        pairs = pairwise(full)
        return any(f"{bare(first)} {bare(second)}" in self.lexicon.phrases for first, second in pairs)

    def _again(self, text: str, parts: Set[str], sure: Set[str]) -> Iterator[Span]:
        """Every other place where a part of a name found stands alone.

        An eponym such as "Brown" counts only if a title or label made it sure, and never as "Brown sign".
        """
        forms = sorted({form for part in parts for form in self._forms(part, sure=part in sure)})
        if not forms:
            return
        either = "|".join(map(regex.escape, forms))
        for match in matches(regex.compile(rf"(?<![\p{{L}}\-])(?:{either})(?![\p{{L}}])"), text):
            after = TOKEN.search(
                text[match.end() : match.end() + 25].removeprefix("'s").removeprefix("\u2019s")
            )
            thing = after is not None and bare(after.group()) in self.lexicon.heads
            eponym = bare(match.group()) in self.lexicon.eponyms | self.lexicon.ordinary
            if not thing and not (eponym and _GENERAL.match(text, match.end())):
                yield Span(match.start(), match.end(), Kind.NAME)

    def _forms(self, part: str, *, sure: bool) -> Iterator[str]:
        """The ways to write a part of a name that are a name again wherever they stand."""
        low = bare(part)
        if len(low) < (2 if sure else _SHORTEST) or low in self.lexicon.stop or low in _PARTICLES:
            return
        listed = low in self.lexicon.surnames | self.lexicon.forenames
        if part.islower():
            if self.lexicon.is_name(part):
                yield part
            if sure and listed:
                yield from (part.title(), part.upper())
        elif len(low) < _SHORTEST:
            if listed and not part.isupper():
                yield part
        elif sure or low not in self.lexicon.eponyms:
            yield from (part.title(), part, part.upper())


def _abbreviates(word: str) -> bool:
    return word.isupper() and len(word) <= _LONGEST_ABBREVIATION


def _words_in(text: str, spans: Iterable[Span]) -> set[str]:
    """The words of some spans, without possessive endings and full stops."""
    words = (word for span in spans for word in TOKEN.findall(text[span.start : span.end]))
    return {word[: len(bare(word))] for word in words}


_SHORTEST = 3
"""Shorter names ("Li", "Wu") are symbols too; they repeat only after a title, written the same."""

_LONGEST_ABBREVIATION = 4
"""Capitals such as "ICA" are an abbreviation, "ANNA" mostly a name that is found by what stands around it."""

_WORD_BEFORE = regex.compile(r"\b(\p{Lu}\p{Ll}+)[ \t]+$")
_ANY_WORD_BEFORE = regex.compile(r"(\p{L}[\p{L}'\u2019]*)\.?[ \t]+$")
_DESCRIBES = (
    r"(?:described|proposed|published|suggested|introduced|defined|classified|coined|postulated|demonstrated)"
)
_AND_OTHERS = regex.compile(r"(?:,?\s+and\s+(?:colleagues|co-?workers|associates)|,?\s+et\.?\s+al)\b")
_AND_ANOTHER = regex.compile(rf"\s+(?:and|&)\s+(\p{{Lu}}\p{{L}}+)\s+{_DESCRIBES}\b")
_ANOTHER_AND = regex.compile(r"(\p{Lu}\p{L}+)\s+(?:and|&)\s+$")
_DESCRIBED = regex.compile(rf"\s+{_DESCRIBES}\b")
_GENERAL = regex.compile(
    r"-\p{L}|[ \t]+(?:patients?|man|woman|men|women|males?|females?|adults?|child(?:ren)?|age)\b"
)
"""After an eponym or a word these say that it is one: "Brown-Séquard", "Young patients"."""

_LINKS = regex.compile(
    r"(?:ha[ds]|have|was|is|and|the|with|of|in|for|to|after|before|underwent|need(?:s|ed)|received|refused)"
)
_BELONGS = regex.compile(
    r"['\u2019]s[ ](?:operation|procedure|tests?|score|fractures?|tumou?r|catheter|drain|hernia|graft)\b"
)
_OF_A_PERSON = regex.compile(r"(?<![\w\-])(?:Mr|Mrs|Ms|Miss|Mx)\b\.?\s$")
"""Titles after which "March" or "Page" is a family name; "Dr. Will" may be a sentence cut short."""

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
