"""Bad records: set aside with file, line and reason, counted, and in strict mode fatal."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from medsearch.errors import CorpusError

EXAMPLES_KEPT = 5
RAW_CHARACTERS = 2_000
"""Enough to recognise a record by; the whole of it is still in the corpus, at the line named."""


class Rejects:
    """The records of one run that could not be read.

    `count` is how many were set aside, `examples` the first few as `where: reason`. `warnings` holds what
    was odd but cost no record; it is neither counted nor written to the file.

    Args:
        file: where to write one JSON line a record (`where`, `reason`, `raw`); one left by an earlier run
            is removed at once, and none is made until there is something to write.
        strict: raise on the first bad record in place of setting it aside.
    """

    def __init__(self, file: Path | None = None, *, strict: bool = False) -> None:
        self.file = file
        self.strict = strict
        self.count = 0
        self.examples: list[str] = []
        self.warnings: list[str] = []
        if file is not None:
            file.unlink(missing_ok=True)

    def set_aside(self, where: str, reason: str, raw: str = "") -> None:
        """Count the bad record at `where` (`path/file:LINE`) and write it down.

        Raises:
            CorpusError: when strict.
        """
        message = f"{where}: {reason}"
        if self.strict:
            raise CorpusError(message)
        self.count += 1
        if len(self.examples) < EXAMPLES_KEPT:
            self.examples.append(message)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            line = json.dumps({"where": where, "reason": reason, "raw": raw[:RAW_CHARACTERS]})
            with self.file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")

    def warn(self, where: str, reason: str) -> None:
        """Keep a remark about something odd that loses no record; never raises."""
        self.warnings.append(f"{where}: {reason}")


def first_rejects(file: Path, *, limit: int = EXAMPLES_KEPT) -> list[str]:
    """The first records of a rejects file as `where: reason`; none where there is no file."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8") as stream:
        records = [json.loads(line) for line in islice(stream, limit)]
    return [f"{record['where']}: {record['reason']}" for record in records]
