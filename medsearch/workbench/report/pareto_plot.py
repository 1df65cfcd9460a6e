"""Mean score beside a cost, as a plot: who is worth the price stands out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log10
from typing import Any

from medsearch.workbench.board.leaderboard import Board
from medsearch.workbench.board.pareto import Pareto
from medsearch.workbench.board.prices import COSTS
from medsearch.workbench.report.charts import INK, SOFT, draw, label_of, load_altair, unlike
from medsearch.workbench.report.labels import CHARACTER, Box, place_labels
from medsearch.workbench.report.numbers import points

_WIDTH, _HEIGHT = 430, 290
_FRONT, _BEATEN = "on the front", "beaten by another"
_LEFT = 55
_LEAST_SPREAD = 0.3
"""Of costs, in powers of ten: nearly equal ones are not drawn as if they were far apart."""


class _Frame:
    """Where values of cost (logarithmic) and score lie in the plot's pixels, and back."""

    def __init__(self, found: Pareto, characters: int) -> None:
        """Leave room at the right for a label of so many characters, that of the dearest point."""
        costs = [point.cost for point in found.points]
        right = min(_WIDTH / 2, characters * CHARACTER + 20)
        spread = max(log10(max(costs) / min(costs)), _LEAST_SPREAD)
        unit = spread / (_WIDTH - _LEFT - right)
        low = log10(min(costs)) - _LEFT * unit
        self.costs = 10**low, 10 ** (low + _WIDTH * unit)
        bounds = [bound for point in found.points for bound in point.score.interval]
        pad = 0.1 * (max(bounds) - min(bounds)) + 0.005
        self.scores = 100 * (min(bounds) - pad), 100 * (max(bounds) + pad)

    def pixels(self, cost: float, score: float) -> tuple[float, float]:
        """(x, y) of a point."""
        across = log10(cost / self.costs[0]) / log10(self.costs[1] / self.costs[0])
        up = (score - self.scores[0]) / (self.scores[1] - self.scores[0])
        return _WIDTH * across, _HEIGHT * (1 - up)

    def values(self, x: float, y: float) -> tuple[float, float]:
        """The cost and score at a place."""
        cost = self.costs[0] * (self.costs[1] / self.costs[0]) ** (x / _WIDTH)
        return cost, self.scores[0] + (self.scores[1] - self.scores[0]) * (1 - y / _HEIGHT)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times powers of ten; of a wide range only these powers."""
        low, high = self.costs
        wide = log10(high / low) > 3
        powers = range(-9, 15)
        found = [step * 10.0**power for power in powers for step in ((1,) if wide else (1, 2, 5))]
        return [value for value in found if low <= value <= high]


def pareto_plot(board: Board, found: Pareto, *, name: str) -> str:
    """The SVG; "" where there is no point."""
    if not found.points:
        return ""
    altair, field, values = load_altair(), COSTS[found.figure], _values(found)
    frame = _Frame(found, max(map(len, values[-1]["label"].split("\n"))))
    x = altair.X(
        "cost:Q",
        title=f"{field.title} ({field.over_tasks} over tasks), {field.unit}, logarithmic",
        scale=altair.Scale(type="log", domain=list(frame.costs), nice=False),
        axis=altair.Axis(values=frame.ticks(), format="~s" if frame.costs[1] >= 1000 else "~g"),
    )

    def y(column: str) -> Any:
        return altair.Y(
            f"{column}:Q",
            title=f"mean {board.terms.measure}, times 100",
            scale=altair.Scale(domain=list(frame.scores), nice=False, zero=False),
            axis=altair.Axis(tickCount=6),
        )

    layers = [*_marks(altair, values, x, y), *_labels(altair, values, frame, x, y)]
    return draw(
        altair.layer(*layers).properties(width=_WIDTH, height=_HEIGHT),
        name=name,
        title=f"Mean {board.terms.measure} beside {field.title}",
        description=f"Up is better, left is cheaper. {'; '.join(value['said'] for value in values)}. The "
        "table below has the same numbers.",
    )


def _values(found: Pareto) -> list[dict[str, Any]]:
    field = COSTS[found.figure]
    labels = unlike(label_of(point.retriever, point.score, "\n") for point in found.points)
    return [
        {
            "label": label,
            "cost": point.cost,
            "score": 100 * point.score.mean,
            "low": 100 * point.score.interval[0],
            "high": 100 * point.score.interval[1],
            "is": _FRONT if point.on_front else _BEATEN,
            "said": f"{label.replace(chr(10), ' ')}: {points(point.score.mean)} at "
            f"{field.written(point.cost)} {field.unit}",
        }
        for point, label in zip(found.points, labels, strict=True)
    ]


def _marks(altair: Any, values: list[dict[str, Any]], x: Any, y: Callable[[str], Any]) -> list[Any]:
    """The front as steps, the intervals, and the points: filled where on the front."""
    data = altair.Data(values=values)
    front = altair.Data(values=[value for value in values if value["is"] == _FRONT])
    steps = altair.Chart(front).mark_line(interpolate="step-after", color="var(--better)", strokeDash=[5, 4])
    rules = altair.Chart(data).mark_rule(color=INK, opacity=0.55, strokeWidth=1.5)
    layers = [
        steps.encode(x=x, y=y("score"), order="cost:Q"),
        rules.encode(x=x, y=y("low"), y2="high:Q"),
    ]
    for standing, fill, stroke in (
        (_FRONT, "var(--better)", "var(--better)"),
        (_BEATEN, "var(--card)", SOFT),
    ):
        some = altair.Data(values=[value for value in values if value["is"] == standing])
        dots = altair.Chart(some).mark_point(
            shape="circle", size=90, filled=True, fill=fill, stroke=stroke, strokeWidth=2, opacity=1
        )
        layers.append(dots.encode(x=x, y=y("score")))
    return layers


def _labels(
    altair: Any, values: list[dict[str, Any]], frame: _Frame, x: Any, y: Callable[[str], Any]
) -> list[Any]:
    """The names, and a thin line from each that had to move away from its point."""
    at = [frame.pixels(value["cost"], value["score"]) for value in values]
    names = [value["label"] for value in values]
    places = place_labels(at, names, size=(_WIDTH, _HEIGHT), lines=_lines(values, frame))
    texts = []
    for value, place in zip(values, places, strict=True):
        cost, score = frame.values(place.x, place.y)
        texts.append(
            {"label": value["label"], "cost": cost, "score": score, "right": place.right}
            | {"to": value["cost"], "up to": value["score"]}
        )
    moved = altair.Data(values=[text for text in texts if abs(text["score"] - text["up to"]) > 1e-6])
    leaders = altair.Chart(moved).mark_rule(color=SOFT, strokeWidth=0.75)
    layers = [leaders.encode(x=x, y=y("score"), x2="to:Q", y2="up to:Q")]
    for right in (True, False):
        some = altair.Data(values=[text for text in texts if text["right"] is right])
        written = altair.Chart(some).mark_text(
            align="left" if right else "right", baseline="middle", fontSize=12, color=INK, lineBreak="\n"
        )
        layers.append(written.encode(x=x, y=y("score"), text="label:N"))
    return layers


def _lines(values: list[dict[str, Any]], frame: _Frame) -> list[Box]:
    """What is drawn beside the points, as obstacles for labels: intervals, and the steps of the front."""
    found = []
    for value in values:
        x, top = frame.pixels(value["cost"], value["high"])
        found.append(Box(x - 2, top, x + 2, frame.pixels(value["cost"], value["low"])[1]))
    front = [frame.pixels(value["cost"], value["score"]) for value in values if value["is"] == _FRONT]
    for (x, y), (next_x, next_y) in pairwise(front):
        found.append(Box(x, y - 2, next_x, y + 2))
        found.append(Box(next_x - 2, next_y, next_x + 2, y))
    return found
