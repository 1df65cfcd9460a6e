"""Queries that were asked before in the same run: exactly, or in nearly the same words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.filters.words import Text
from pipeline.records import QueryKind

_PERMUTATIONS = 128
_MISSES_WEIGH = (0.1, 0.9)
"""Of LSH's false positives and misses: its candidates are compared exactly, so that only misses matter."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The kept queries of a run, found again by MinHash LSH (Broder 1997; `datasketch`).

    Compared are sets of content words. Keyword queries are not compared with questions: the same words typed
    and asked are two queries worth having. Words in the same order, though, are the same query in any kind.
    """

    threshold: float
    _said: set[tuple[str, ...]] = field(default_factory=set, repr=False)
    _rooms: dict[bool, _Room] = field(default_factory=dict, repr=False)

    def measure(self, query: Text, kind: QueryKind) -> dict[str, float]:
        """Compare with the queries added so far.

        Returns:
            `exact_duplicate`: 1 where one has the same words in the same order, else 0.
            `duplicate_jaccard`: the greatest Jaccard similarity to one that LSH finds near, else 0.
        """
        room = self._rooms.get(kind is QueryKind.KEYWORD)
        return {
            "exact_duplicate": float(query.words in self._said),
            "duplicate_jaccard": room.nearest(query.terms) if room else 0.0,
        }

    def add(self, query: Text, kind: QueryKind) -> None:
        """A query that is kept."""
        self._said.add(query.words)
        typed = kind is QueryKind.KEYWORD
        if typed not in self._rooms:
            self._rooms[typed] = _Room.of(self.threshold)
        self._rooms[typed].add(query.terms)


@dataclass(frozen=True, slots=True)
class _Room:
    index: Any
    sets: list[frozenset[str]] = field(default_factory=list)

    @classmethod
    def of(cls, threshold: float) -> _Room:
        from datasketch import MinHashLSH

        near = max(threshold - 0.1, 0.1)
        return cls(MinHashLSH(threshold=near, num_perm=_PERMUTATIONS, weights=_MISSES_WEIGH))

    def nearest(self, terms: tuple[str, ...]) -> float:
        mine = frozenset(terms)
        if not mine:
            return 0.0
        found = (self.sets[number] for number in self.index.query(_signature(mine)))
        return max((len(mine & other) / len(mine | other) for other in found), default=0.0)

    def add(self, terms: tuple[str, ...]) -> None:
        mine = frozenset(terms)
        if mine:
            self.index.insert(len(self.sets), _signature(mine))
            self.sets.append(mine)


def _signature(terms: frozenset[str]) -> Any:
    from datasketch import MinHash

    signature = MinHash(num_perm=_PERMUTATIONS)
    signature.update_batch([term.encode() for term in sorted(terms)])
    return signature
