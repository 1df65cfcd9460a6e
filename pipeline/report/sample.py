"""A sample of triplets, chosen by a seed alone, from every corpus and kind of query alike."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest

from pipeline.records import TripletRow

SAMPLE = 60


@dataclass(frozen=True, slots=True)
class Sampled:
    """One triplet of the sample, with the run that it is of."""

    run: str
    row: TripletRow

    @property
    def stratum(self) -> tuple[str, str]:
        """What the sample is shared out over."""
        return self.row.source.corpus, str(self.row.kind)


@dataclass(slots=True)
class Sampler:
    """Keeps, of each corpus and kind, the rows that the seed's hash puts first (bottom-k sampling).

    A row's place depends on the seed, its run and its id, never on the order of reading.
    """

    seed: int
    size: int = SAMPLE
    _kept: dict[tuple[str, str], list[tuple[int, int, Sampled]]] = field(default_factory=dict)
    _offered: int = 0

    def offer(self, run: str, row: TripletRow) -> None:
        """Look at one row; at most `size` a corpus and kind are remembered."""
        sampled = Sampled(run, row)
        place = int.from_bytes(sha256(f"{self.seed}\0{run}\0{row.row_id}".encode()).digest()[:8])
        heap = self._kept.setdefault(sampled.stratum, [])
        self._offered += 1
        entry = (-place, -self._offered, sampled)  # negative, so that the last in place is on top of the heap
        if len(heap) < self.size:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    def rows(self) -> list[Sampled]:
        """At most `size` rows, corpora and kinds by turns, so that a rare one is seen as well."""
        strata: Mapping[tuple[str, str], list[Sampled]] = {
            stratum: [entry[2] for entry in sorted(heap, reverse=True)]
            for stratum, heap in sorted(self._kept.items())
        }
        turns = zip_longest(*strata.values())
        chosen = [sampled for turn in turns for sampled in turn if sampled is not None]
        return chosen[: self.size]
