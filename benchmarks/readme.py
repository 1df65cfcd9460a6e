"""Puts a made table into README, between two marks that say what made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsearch.errors import UsageError

README = Path(__file__).resolve().parent.parent / "README.md"


@dataclass(frozen=True, slots=True)
class Marks:
    """The lines that a table stands between."""

    begin: str
    end: str

    def replaced(self, text: str, new: str) -> str:
        """`text` with what is between the marks replaced.

        Raises:
            UsageError: if it lacks the marks.
        """
        before, _, rest = text.partition(self.begin)
        _, mark, after = rest.partition(self.end)
        if not mark:
            raise UsageError(f"{README.name} has no `{self.begin}` … `{self.end}`")
        return f"{before}{self.begin}\n{new}\n{self.end}{after}"
