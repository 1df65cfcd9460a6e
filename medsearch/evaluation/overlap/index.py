"""The benchmark's texts, ready to be found in any number of others; memory grows with the benchmark only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np

from medsearch.evaluation.overlap.containment import ContainmentSearch
from medsearch.evaluation.overlap.edits import EditSearch
from medsearch.evaluation.overlap.found import Found, Kind, Search
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.normalise import WORD, normalised_words, readable
from medsearch.evaluation.overlap.runs import RunSearch
from medsearch.evaluation.overlap.sketches import SketchSearch
from medsearch.evaluation.overlap.words import Words

_BLOCK = 2_000


@dataclass(frozen=True, slots=True)
class Overlap:
    """Text `row` of those asked about overlaps benchmark text `text`; similarity is in (0, 1]."""

    row: int
    text: int
    kind: Kind
    similarity: float


class BenchmarkTexts:
    """Collects the texts of benchmarks, each once however often it occurs."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._pending: list[list[str]] = []
        self._blocks: list[Words] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, text: str) -> int | None:
        """The number of a text, the same for all that are equal but for case, punctuation and layout.

        `None` for a text without any word.
        """
        words = normalised_words(text)
        if not words:
            return None
        key = blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._pending.append(words)
            if len(self._pending) == _BLOCK:
                self._flush()
        return self._numbers[key]

    def words(self) -> Words:
        """All texts, by number."""
        self._flush()
        return Words.joined(self._blocks)

    def _flush(self) -> None:
        self._blocks.append(Words.of(self._pending))
        self._pending = []


@dataclass(frozen=True, slots=True)
class ExactSearch:
    """Benchmark texts by all of their words."""

    table: HashTable

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The search over these benchmark texts."""
        return cls(HashTable.of(texts.whole(), np.arange(len(texts)), listed=len(texts)))

    def find(self, asked: Words, /) -> Found:
        """Pairs of the same words in the same order; similarity 1."""
        filled = np.flatnonzero(asked.sizes)
        rows, texts = self.table.texts_of(asked.chosen(filled).whole(), filled)
        return Found(rows, texts, np.ones(len(rows)))


@dataclass(frozen=True, slots=True)
class OverlapIndex:
    """All the ways to find a benchmark's text, the surest first."""

    searches: tuple[tuple[Kind, Search], ...]
    runs: RunSearch

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The index over these benchmark texts."""
        return cls(
            (
                (Kind.EXACT, ExactSearch.of(texts)),
                (Kind.CONTAINMENT, ContainmentSearch.of(texts)),
                (Kind.NEAR, SketchSearch.of(texts)),
                (Kind.NEAR, EditSearch.of(texts)),
            ),
            RunSearch.of(texts),
        )

    def find(self, texts: Sequence[str]) -> list[Overlap]:
        """Every overlap of these texts with the benchmark's, each pair once and under its surest kind."""
        plain = [readable(text) for text in texts]
        asked = Words.of([WORD.findall(text) for text in plain])
        found = [(kind, search.find(asked)) for kind, search in self.searches]
        found.insert(1, (Kind.CONTAINMENT, self.runs.find(asked, plain)))
        overlaps: dict[tuple[int, int], Overlap] = {}
        for kind, pairs in found:
            columns = (pairs.rows.tolist(), pairs.texts.tolist(), pairs.similarity.tolist())
            for row, text, similarity in zip(*columns, strict=True):
                overlaps.setdefault((row, text), Overlap(row, text, kind, similarity))
        return sorted(overlaps.values(), key=lambda overlap: (overlap.row, overlap.text))
