"""What hangs together, joined pair by pair, but never across what must stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.mining.texts import Places, Which
from pipeline.records import Split


@dataclass(slots=True)
class Joining:
    """Passages in components that grow; a component may have a side, and never comes to have two.

    `labels` has the component of each node; `nodes` the node of each passage; `copies` a number for each
    passage, equal for equal texts; `sides` the side of those components that have one; `asked_for` the
    texts (by that number) that answer a row.
    """

    labels: Places
    nodes: Places
    copies: Places
    sides: dict[int, Split]
    asked_for: frozenset[int]
    _withheld: set[int] = field(default_factory=set)

    def same(self, a: Places, b: Places) -> Which:
        """Which of these pairs of passages are in one component by now."""
        together: Which = self.labels[self.nodes[a]] == self.labels[self.nodes[b]]
        return together

    def join(self, a: int, b: int) -> None:
        """Join two passages with nearly the same text, or withhold one where their sides differ.

        That is the one no row asks for; else the one in train.
        """
        x, y = int(self.labels[self.nodes[a]]), int(self.labels[self.nodes[b]])
        if x == y:
            return
        one, other = self.sides.get(x), self.sides.get(y)
        if one and other and one is not other:
            train, dev = (a, b) if one is Split.TRAIN else (b, a)
            keeps_train = self._asked(train) and not self._asked(dev)
            self._withheld.add(dev if keeps_train else train)
            return
        if other:
            self.sides[x] = other
        self.labels[self.labels == y] = x

    def withheld(self) -> frozenset[int]:
        """Passages that neither side may have: those that `join` withheld, and their copies beside them."""
        texts = {(int(self.copies[n]), int(self.labels[self.nodes[n]])) for n in self._withheld}
        own = zip(self.copies.tolist(), self.labels[self.nodes].tolist(), strict=True)
        return frozenset(number for number, each in enumerate(own) if each in texts)

    def _asked(self, passage: int) -> bool:
        return int(self.copies[passage]) in self.asked_for


def own_sides(labels: Sequence[tuple[int, Split | None]]) -> dict[int, Split]:
    """The side of each component from its rows' own splits, each row by its component; dev wins."""
    sides: dict[int, Split] = {}
    for wanted in (Split.TRAIN, Split.DEV):
        sides |= {label: wanted for label, split in labels if split is wanted}
    return sides


def label_array(labels: Sequence[int]) -> Places:
    """Labels as an array."""
    return np.asarray(labels, dtype=np.int32)
