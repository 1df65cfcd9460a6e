"""What is masked, and what a masked note is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medsearch.errors import MedsearchError


class UnmaskableError(MedsearchError):
    """One note could not be searched for identifiers in time, so it must not be used or sent anywhere."""


class Kind(StrEnum):
    """A kind of identifier, after the list in HIPAA's Safe Harbor rule (45 CFR 164.514(b)(2))."""

    NAME = "name"
    DATE = "date"
    AGE = "age over 89"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    RECORD_NUMBER = "record number"
    NATIONAL_NUMBER = "national number"
    WEB = "web address"

    @property
    def placeholder(self) -> str:
        """What stands in the note instead, such as "[NAME]"."""
        return f"[{_PLACEHOLDERS[self]}]"


_PLACEHOLDERS = {
    Kind.NAME: "NAME",
    Kind.DATE: "DATE",
    Kind.AGE: "AGE",
    Kind.PHONE: "PHONE",
    Kind.EMAIL: "EMAIL",
    Kind.ADDRESS: "ADDRESS",
    Kind.RECORD_NUMBER: "ID",
    Kind.NATIONAL_NUMBER: "ID",
    Kind.WEB: "WEB",
}


@dataclass(frozen=True, slots=True)
class Masked:
    """A note without its identifiers; `found` counts what was masked by kind, and holds no text."""

    text: str
    found: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a note, to be masked."""

    start: int
    end: int
    kind: Kind
