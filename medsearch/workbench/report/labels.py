"""Where to write the names of points in a plot so that they lie neither on each other nor on a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHARACTER = 6.6
"""Pixels that a character of a label takes on average, at 12 pixels; measured generously."""

LINE = 15.0
_GAP = 10.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def outside(self, width: float, height: float) -> float:
        """The area that is not in a plot of this size."""
        inside = self.overlap(Box(0, 0, width, height))
        return (self.right - self.left) * (self.bottom - self.top) - inside


@dataclass(frozen=True, slots=True)
class Place:
    """Where a label is: it begins at `x` if `right` of its point, else ends there; `y` is its middle."""

    x: float
    y: float
    right: bool
    box: Box


def place_labels(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    *,
    size: tuple[float, float],
    lines: Sequence[Box] = (),
) -> list[Place]:
    """A place for each point's label, of one or more lines, in a plot of this size; all in pixels.

    Greedy, in the order given: of the places around a point the one that covers least of points, `lines`,
    labels placed before, and of what is outside the plot; of equal ones the nearest.
    """
    taken = [*lines, *(Box(x - 7, y - 7, x + 7, y + 7) for x, y in points)]
    placed = []
    for (x, y), label in zip(points, labels, strict=True):
        place = min(
            _around(x, y, _extent(label)),
            key=lambda place: sum(map(place.box.overlap, taken)) + 5 * place.box.outside(*size),
        )
        taken.append(place.box)
        placed.append(place)
    return placed


def _extent(label: str) -> tuple[float, float]:
    lines = label.split("\n")
    return max(map(len, lines)) * CHARACTER, len(lines) * LINE


def _around(x: float, y: float, extent: tuple[float, float]) -> Iterator[Place]:
    """Right, left, then above and below on either side, ever farther away."""
    width, height = extent
    for distance in (0.0, 1.0, 1.7, 2.4, 3.1, 3.8):
        for down in (-distance * LINE, distance * LINE) if distance else (0.0,):
            middle = y + down
            top, bottom = middle - height / 2, middle + height / 2
            yield Place(x + _GAP, middle, True, Box(x + _GAP, top, x + _GAP + width, bottom))
            yield Place(x - _GAP, middle, False, Box(x - _GAP - width, top, x - _GAP, bottom))
