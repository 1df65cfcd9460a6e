"""How long texts are, in words, kept as counts so that any number of texts needs little memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(slots=True)
class Lengths:
    """How many texts have how many words (runs of characters between blanks)."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, text: str) -> None:
        """Count one text."""
        self.counts[len(text.split())] += 1

    def quartiles(self) -> list[int]:
        """Least, lower quartile, median, upper quartile, most; each a length that occurs (inverted CDF)."""
        return [self._quantile(share) for share in QUARTILES] if self.counts else [0] * len(QUARTILES)

    def _quantile(self, share: float) -> int:
        wanted, so_far = share * self.counts.total(), 0
        for length in sorted(self.counts):
            so_far += self.counts[length]
            if so_far >= wanted and so_far:
                return length
        return max(self.counts)

    def share_above(self, words: int) -> float:
        """Which share of the texts, 0 to 1, has more than so many words."""
        above = sum(count for length, count in self.counts.items() if length > words)
        return above / self.counts.total() if self.counts else 0.0
