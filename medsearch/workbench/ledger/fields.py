"""The texts of a training row, whatever its fields are called, and what of it is no text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from medsearch.evaluation.overlap.edits import LONGEST
from medsearch.evaluation.overlap.normalise import WORD

LEAST_WORDS = 3
"""Words of a text that is read in a field of no known name: of fewer, labels would be the most."""

LISTED_FIELDS = 100
"""Fields that are listed; a row may use names of its own as keys."""

OTHERS = "(others)"


class Role(StrEnum):
    """What a text is there for in training."""

    QUERY = "query"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    TEXT = "text"
    """In a field of another name."""


_OF = r"(_?(passage|document|doc|context|ctx|text))?(e?s|_?[0-9]+)?"
_ROLES = {
    Role.QUERY: re.compile(r"quer(y|ies)|questions?|anchor|sentence_?1?|(query|question)_text"),
    Role.NEGATIVE: re.compile(rf"(hard_?)?neg(ative)?{_OF}"),
    Role.POSITIVE: re.compile(
        rf"pos(itive)?{_OF}|(passage|document|context|answer|response|abstract|text|note)(s|_?[0-9]+)?"
        r"|sentence_?2"
    ),
}
_NO_TEXT = re.compile(
    r"(.*[_-])?(_?ids?|uu?id|pmc?id|doi|ur[il]s?|link|href|hash|md5|sha1|sha256|licen[cs]e|scores?|similarity"
    r"|split|lang(uage)?|date|timestamp|created|updated|path|file(name)?|model|server|found_by)|docid|qid|pid"
    r"|.+(Id|ID|Url|URL)",
)
_ADDRESS = re.compile(r"\s*https?://\S+\s*")


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text, and the row (line) and field that it stands in; rows count from 1, fields are "outer.inner"."""

    row: int
    field: str
    role: Role
    text: str


@dataclass(slots=True)
class FieldTally:
    """How many texts were read in each field, and how many values were not, as they are no texts."""

    read: Counter[str] = field(default_factory=Counter)
    not_read: Counter[str] = field(default_factory=Counter)

    def count(self, counts: Counter[str], name: str) -> None:
        """One more text or value of this field."""
        known = name in counts or len(counts) < LISTED_FIELDS
        counts[name if known else OTHERS] += 1

    @property
    def never_read(self) -> Counter[str]:
        """The fields of which no text at all was read."""
        return Counter({name: count for name, count in self.not_read.items() if name not in self.read})


def role_of(name: str) -> Role | None:
    """What a field of this name holds; `None` where the name does not say."""
    name = name.strip().lower()
    return next((role for role, pattern in _ROLES.items() if pattern.fullmatch(name)), None)


def holds_no_text(name: str) -> bool:
    """Whether a field of this name has ids, addresses, scores or what else describes a row."""
    name = name.strip()
    return bool(_NO_TEXT.fullmatch(name) or _NO_TEXT.fullmatch(name.lower()))


def texts_of_row(
    number: int, row: Mapping[str, Any], wanted: tuple[str, ...], tally: FieldTally
) -> Iterator[TrainingText]:
    """Every text of a row.

    With `wanted`, all that stands in the fields of these names; else texts of any length in fields with the
    usual names, and those of `LEAST_WORDS` in any other, unless its name is one of ids, scores and the like.
    """
    for name, value, path in _leaves(row):
        asked = not wanted or any(path == field or path.startswith(f"{field}.") for field in wanted)
        if asked and isinstance(value, str) and _is_text(name, value, path, given=bool(wanted)):
            tally.count(tally.read, path)
            yield TrainingText(number, path, _role(path), value)
        elif value is not None and value != "":
            tally.count(tally.not_read, path)


def has_field(row: Mapping[str, Any], name: str) -> bool:
    """Whether the row has a field of this name, "outer.inner" for one inside another."""
    return name in row or any(path == name or path.startswith(f"{name}.") for _, _, path in _leaves(row))


def _is_text(name: str, value: str, path: str, *, given: bool) -> bool:
    if not WORD.search(value) or (not given and (holds_no_text(name) or _ADDRESS.fullmatch(value))):
        return False
    if given or role_of(name) or (role_of(path.split(".")[0]) and name in _PARTS):
        return True
    return len(WORD.findall(value)) >= LEAST_WORDS


_PARTS = ("text", "content", "contents", "body")


def _role(path: str) -> Role:
    """The role that the outermost field with a usual name gives it."""
    return next((role for name in path.split(".") if (role := role_of(name))), Role.TEXT)


def _leaves(row: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Key, value and path of all that is no list or object itself; what is in a list has the list's key."""
    pending = [(str(key), value, str(key)) for key, value in _with_title(row).items()][::-1]
    while pending:
        name, value, path = pending.pop()
        if isinstance(value, Mapping):
            inside = [(str(key), item, f"{path}.{key}") for key, item in _with_title(value).items()]
            pending += reversed(inside)
        elif isinstance(value, (list, tuple)):
            pending += [(name, item, path) for item in reversed(value)]
        else:
            yield name, value, path


def _with_title(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A document with its title as part of its text, as a benchmark's is; a short one without it as well."""
    title, text = part.get("title"), part.get("text")
    if not (isinstance(title, str) and title.strip() and isinstance(text, str)):
        return part
    short = len(text.split()) <= LONGEST
    return {**part, "text": [f"{title} {text}", *([text] if short else [])]}
