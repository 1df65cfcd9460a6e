"""What is remembered of cleaned training files, so that none is cleaned twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from medsearch.evaluation.training_facts import ROWS_WITH_LEAKS
from medsearch.index.manifest import replace_file
from pipeline.journal import digest
from pipeline.records import Row

UNREADABLE = "rows that cannot be read, left out"

_FILE = "clean.json"


class CleanRecord(Row):
    """A clean file: SHA-256 of what it was made from and of itself, what it was cleaned of, what was found.

    `suites` are names with the keys of `CheckedSuite`.
    """

    source: str
    suites: tuple[tuple[str, str], ...]
    sha256: str
    found: dict[str, int]

    def holds(self, source: str, suites: Sequence[tuple[str, str]], file: Path) -> bool:
        """Whether the file is still what would be made of this source and these suites."""
        return self.source == source and list(self.suites) == list(suites) and digest(file) == self.sha256

    def counts(self) -> dict[str, int]:
        """What was found, for the training's facts."""
        return dict(self.found)

    def told(self) -> str:
        """One line for people."""
        leaking, bad = self.found.get(ROWS_WITH_LEAKS, 0), self.found.get(UNREADABLE, 0)
        names = " and ".join(name for name, _ in self.suites)
        lost = f"; {bad:,} that cannot be read, too" if bad else ""
        return f"{leaking:,} row{'' if leaking == 1 else 's'} with a leak into {names} left out{lost}"


def read_records(folder: Path) -> dict[str, CleanRecord]:
    """The records by name; none where the file is missing or damaged: then all is cleaned anew."""
    try:
        kept = json.loads((folder / _FILE).read_text("utf-8"))
        return {name: CleanRecord.model_validate_json(json.dumps(record)) for name, record in kept.items()}
    except (FileNotFoundError, ValueError, AttributeError, ValidationError):
        return {}


def keep_records(records: Mapping[str, CleanRecord], folder: Path) -> None:
    """Write the records; a reader sees the old file or the new one."""
    kept = {name: record.model_dump(mode="json") for name, record in records.items()}
    replace_file(folder / _FILE, json.dumps(kept, indent=1, ensure_ascii=False).encode() + b"\n")
