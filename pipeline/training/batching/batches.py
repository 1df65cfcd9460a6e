"""Which examples meet in which batch: decided for the whole training before it begins, from the seed alone.

A batch comes from one source and has no text and no question twice, so that no row's answer is another row's
negative. Its rows are near in subject, or of like length, so that little is computed on padding. The order is
the same after a kill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medsearch.errors import MedsearchError
from medsearch.types import Vectors
from pipeline.training.batching.filling import Filled, Texts, fill, texts_of
from pipeline.training.batching.topics import Topics, fill_by_topic
from pipeline.training.batching.turns import Arrangement, Turns
from pipeline.training.job import TrainingExample, TrainingSource

_NO_TOPICS: Mapping[int, Vectors] = MappingProxyType({})


class Grouping(StrEnum):
    """What the rows of a source's batches have in common."""

    DOCUMENT = "document"
    TOPIC = "topic"
    LENGTH = "length"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What a plan is made by. `batch` is rows a step on each of `devices`; `negatives` a row, at most.

    `steps` or, where that is 0, `epochs` says how long the training is. Rows are grouped by topic in windows
    of `topic_window`, else with `group` by length.
    """

    batch: int
    devices: int
    steps: int
    epochs: float
    negatives: int
    group: bool
    seed: int
    topic_window: int = 0

    @property
    def rows(self) -> int:
        """Rows a step on all devices."""
        return self.batch * self.devices

    def grouping(self, source: TrainingSource) -> Grouping:
        """What the rows of a source's batches have in common: the first of these that is asked for."""
        if source.together:
            return Grouping.DOCUMENT
        if self.topic_window:
            return Grouping.TOPIC
        return Grouping.LENGTH if self.group else Grouping.NONE


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows by their number over all sources in order, and how many of each row's negatives are used."""

    source: int
    rows: tuple[int, ...]
    negatives: int


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch a step, over all devices: each device takes its share of the rows, in order.

    `left_out` counts, by source, rows that are in no batch since too few others have as few negatives.
    """

    batches: tuple[Batch, ...]
    rules: BatchRules
    left_out: Mapping[str, int]

    def rows_seen(self, source: int) -> int:
        """How many rows of the source of this number are in some batch."""
        return len({row for batch in self.batches if batch.source == source for row in batch.rows})

    def of_device(self) -> Iterator[list[tuple[int, int]]]:
        """(row, negatives) for each batch and, within it, each device in turn."""
        for batch in self.batches:
            size = len(batch.rows) // self.rules.devices
            for start in range(0, len(batch.rows), size):
                yield [(row, batch.negatives) for row in batch.rows[start : start + size]]


def plan_batches(
    sources: Sequence[TrainingSource],
    lengths: NDArray[np.int64],
    rules: BatchRules,
    topics: Mapping[int, Vectors] = _NO_TOPICS,
) -> BatchPlan:
    """The batches of a training.

    Sources are drawn by weight, step by step; each goes through its rows in passes, shuffled anew. Rows that
    a pass could not place, because their texts were in the batch already, come first in the next, those used
    least before the others. So every row is used within k + 1 passes, where k rows ask the same at most and
    no other text comes twice.

    Args:
        sources: what is drawn from.
        lengths: by row over all sources in order, what its padding depends on; shape (rows,).
        rules: sizes and seed.
        topics: by source, vectors of its rows' queries, shape (its rows, dim), where rows go by topic.

    A source that cannot fill a batch gives smaller ones.

    Raises:
        MedsearchError: a source has no two rows that could be in one batch.
    """
    streams, left_out, first = [], {}, 0
    for number, source in enumerate(sources):
        own = lengths[first : first + len(source.rows)]
        stream = _Stream(_Source(source, number, first, own, topics.get(number)), rules)
        streams.append(stream.batches())
        left_out[source.name] = stream.left_out
        first += len(source.rows)
    steps = rules.steps or max(1, ceil(rules.epochs * (first - sum(left_out.values())) / rules.rows))
    weights = np.asarray([source.weight for source in sources])
    drawn = np.random.default_rng([rules.seed, 0]).choice(len(sources), size=steps, p=weights / weights.sum())
    return BatchPlan(tuple(next(streams[source]) for source in drawn), rules, left_out)


@dataclass(frozen=True, slots=True)
class _Source:
    """A source: its number, its first row's over all sources, its rows' lengths and, by topic, vectors."""

    examples: TrainingSource
    number: int
    first: int
    lengths: NDArray[np.int64]
    topics: Vectors | None


class _Stream:
    """One source's batches without end."""

    def __init__(self, source: _Source, rules: BatchRules) -> None:
        self._source, self._rules = source, rules
        self._rows = source.examples.rows
        self._grouping = rules.grouping(source.examples)
        self._groups, self.left_out = _groups(self._rows, rules)

    def batches(self) -> Iterator[Batch]:
        chance = np.random.default_rng([self._rules.seed, 1, self._source.number])
        arrangement = Arrangement(
            self._rows, self._source.lengths, self._rules.rows, self._grouping is Grouping.DOCUMENT,
            self._grouping is Grouping.LENGTH,
        )  # fmt: skip
        turns = {level: Turns(rows, arrangement) for level, rows in self._groups.items()}
        texts = {level: texts_of(self._rows, rows, level) for level, rows in self._groups.items()}
        while True:
            made: list[Batch] = []
            for level, turn in turns.items():
                filled = self._filled(turn.order(chance), turn, texts[level])
                batches = filled.full or self._largest(filled.begun)
                turn.used(batches)
                made += [self._batch(batch, level) for batch in batches]
            if not made:
                raise MedsearchError(
                    f"{self._source.examples.name} has no two rows that could be in one batch: their texts "
                    "are the same; take the source out"
                )
            yield from (made[place] for place in chance.permutation(len(made)))

    def _batch(self, rows: list[int], level: int) -> Batch:
        return Batch(self._source.number, tuple(self._source.first + row for row in rows), level)

    def _largest(self, begun: list[list[int]]) -> list[list[int]]:
        """Where no batch can be filled, the one that got most rows, as many for each device; or none."""
        largest = max(begun, key=len)
        rows = len(largest) // self._rules.devices * self._rules.devices
        return [largest[:rows]] if rows >= 2 * self._rules.devices else []

    def _filled(self, order: list[int], turn: Turns, texts: Texts) -> Filled:
        if self._grouping is not Grouping.TOPIC:
            return fill(order, texts, self._rules.rows)
        assert self._source.topics is not None, "who plans by topic gives vectors"
        topics = Topics(self._source.topics, self._rules.topic_window, turn.waiting)
        return fill_by_topic(order, texts, self._rules.rows, topics)


def _groups(rows: Sequence[TrainingExample], rules: BatchRules) -> tuple[dict[int, list[int]], int]:
    """Rows by how many negatives their batches use, and how many rows are in no group.

    Rows that have all negatives asked for make batches of their own. Those with fewer come with others that
    have at least as many, and such a batch uses only as many as each row has: nothing is filled up.
    """
    groups: dict[int, list[int]] = {}
    waiting: list[int] = []
    for level in range(rules.negatives, -1, -1):
        exactly = [n for n, row in enumerate(rows) if min(len(row.negatives), rules.negatives) == level]
        waiting = sorted(waiting + exactly)
        if len(waiting) >= rules.rows:
            groups[level], waiting = waiting, []
    if groups:
        return groups, len(waiting)
    fewest = min(min(len(row.negatives), rules.negatives) for row in rows)
    return {fewest: waiting}, 0
