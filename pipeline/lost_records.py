"""Bad records of a corpus, kept where they belong to something that must be known."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError


@dataclass(frozen=True, slots=True)
class LostRecord:
    """What can still be read of a bad record: title and text as one, and the fields that are plain values."""

    record_id: str
    text: str
    metadata: Mapping[str, str | int | float | bool]


class LostRecords(Rejects):
    """Rejects that keep the bad records of `wanted` ids; it never raises and writes no file.

    `records` holds them, `unreadable` the place and reason of the first that is not even a JSON object.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        super().__init__()
        self.wanted = wanted
        self.records: list[LostRecord] = []
        self.unreadable = ""

    def set_aside(self, where: str, reason: str, raw: str = "") -> None:
        """Count the bad record, and keep it if it is wanted."""
        super().set_aside(where, reason, raw)
        record = _read(raw)
        if record is None:
            self.unreadable = self.unreadable or f"{where}: {reason}"
        elif record.record_id in self.wanted:
            self.records.append(record)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Make sure that every wanted record is known, or that there is none which it could be.

        Raises:
            CorpusError: one is not, and a record that cannot be read may be it.
        """
        if not self.unreadable:
            return
        unknown = set(self.wanted).difference(known, (record.record_id for record in self.records))
        if unknown:
            raise CorpusError(
                f"{self.unreadable}; it may be {min(unknown)!r}, which another split judges and which must "
                "be held out: mend the file"
            )


def _read(raw: str) -> LostRecord | None:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    metadata = fields.get("metadata")
    texts = (fields.get("title"), fields.get("text") or fields.get("note"))
    return LostRecord(
        record_id=str(fields.get("_id", fields.get("id"))),
        text=" ".join(text for text in texts if isinstance(text, str)).strip(),
        metadata={
            key: value
            for key, value in (metadata.items() if isinstance(metadata, dict) else ())
            if isinstance(value, str | int | float)
        },
    )
