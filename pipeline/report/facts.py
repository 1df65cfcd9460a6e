"""All that is known of a data set once its rows are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.sample import Sampled
from pipeline.report.sources import Sources
from pipeline.report.stages import StageRecord
from pipeline.report.tally import Tally


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run: its name, the stages that made it, and by stage the recipe that its command has to name."""

    name: str
    stages: Sequence[StageRecord]
    recipes: Mapping[str, str]

    def masked(self) -> int:
        """How many identifiers the stages say they masked."""
        return sum(
            count
            for record in self.stages
            for what, count in record.total.seen.items()
            if "mask" in what.lower()
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card and the page are made from.

    `languages` maps a two-letter code to its share, 0 to 1. `into` is the folder as the command names it.
    """

    name: str
    seed: int
    runs: Sequence[RunFacts]
    tally: Tally
    sources: Sources
    sample: Sequence[Sampled]
    languages: dict[str, float]
    into: str = ""
