"""Candidate negatives of each source, ranked among the passages of the asking row's own side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from math import ceil

import numpy as np
from numpy.typing import NDArray

from medsearch.types import Vectors
from pipeline.pool_search import Found, PoolSearch
from pipeline.recipe import MineTable, NegativeSource
from pipeline.records import Split

Ranking = list[int]
"""Places in the pool, best first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows of one side: their ids, queries and query vectors, shape (len(queries), dim)."""

    row_ids: Sequence[str]
    queries: Sequence[str]
    vectors: Vectors
    side: Split


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be a negative: its place in the pool and what found it."""

    number: int
    found_by: str


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds candidates; `members` are the places in the pool of each side's passages."""

    search: PoolSearch
    table: MineTable
    members: Mapping[Split, NDArray[np.int64]]

    def find(self, asked: Asked) -> list[list[Candidate]]:
        """Candidates of each row, those to be taken first first.

        Ranks count among the passages of the row's side. Of two rankings the union is taken, by turns, but
        nothing that stands before `first_rank` in either.
        """
        match self.table.source:
            case NegativeSource.RANDOM:
                return [self._random(row_id, asked.side) for row_id in asked.row_ids]
            case NegativeSource.DENSE:
                return [self._merged(dense, []) for dense in self._dense(asked)]
            case NegativeSource.BM25:
                return [self._merged([], words) for words in self._words(asked)]
            case NegativeSource.MIXED:
                both = zip(self._dense(asked), self._words(asked), strict=True)
                return [self._merged(dense, words) for dense, words in both]

    def _random(self, row_id: str, side: Split) -> list[Candidate]:
        members = self.members[side]
        count = min(self.table.last_rank - self.table.first_rank + 1, len(members))
        seed = sha256(f"{self.table.seed}\0{row_id}".encode()).digest()
        drawn = np.random.default_rng(int.from_bytes(seed[:8])).choice(members, count, replace=False)
        return [Candidate(int(number), NegativeSource.RANDOM) for number in drawn]

    def _dense(self, asked: Asked) -> list[Ranking]:
        return self._within(lambda depth: self.search.nearest(asked.vectors, depth), asked.side)

    def _words(self, asked: Asked) -> list[Ranking]:
        return self._within(lambda depth: self.search.lexical(asked.queries, depth), asked.side)

    def _within(self, rank: Callable[[int], list[list[Found]]], side: Split) -> list[Ranking]:
        """The best `last_rank` of the side: the whole pool is searched deep enough to hold them."""
        members = set(self.members[side].tolist())
        total = len(self.search.passages)
        wanted = min(self.table.last_rank, len(members))
        depth = min(total, ceil(1.25 * wanted * total / max(len(members), 1)))
        while True:
            found = rank(max(depth, 1))
            kept = [[each.number for each in ranking if each.number in members] for ranking in found]
            if depth >= total or all(
                len(own) >= wanted or len(ranking) < depth for own, ranking in zip(kept, found, strict=True)
            ):
                return [own[:wanted] for own in kept]
            depth = min(total, depth * 4)

    def _merged(self, dense: Ranking, words: Ranking) -> list[Candidate]:
        skipped = self.table.first_rank - 1
        too_high = {*dense[:skipped], *words[:skipped]}
        found = {NegativeSource.DENSE: set(dense), NegativeSource.BM25: set(words)}
        by_turns = zip_longest(dense[skipped:], words[skipped:])
        numbers = dict.fromkeys(number for turn in by_turns for number in turn if number is not None)
        return [
            Candidate(number, "+".join(source for source, where in found.items() if number in where))
            for number in numbers
            if number not in too_high
        ]
