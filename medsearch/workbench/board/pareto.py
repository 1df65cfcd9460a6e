"""Quality beside its price: which retrievers no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medsearch.workbench.board.leaderboard import Board, Row, Score

PRICED_BY = ("query_ms_p50", "index_bytes_per_document")
"""The figures of `prices.COSTS` that quality is set beside."""


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """A retriever's cost and mean score; `on_front`: none is as cheap and as good, and better in one."""

    retriever: str
    cost: float
    score: Score
    on_front: bool


@dataclass(frozen=True, slots=True)
class Pareto:
    """Retrievers by one figure of cost, the cheapest first.

    `left_out` is retriever -> why it is not among them. Where `no_front` says why, no front can be drawn.
    """

    figure: str
    points: tuple[ParetoPoint, ...]
    left_out: Mapping[str, str]
    no_front: str


def pareto(board: Board, figure: str) -> Pareto:
    """Set every mean that is comparable to the baseline's beside one figure of its retriever's cost."""
    left_out = {row.retriever: why for row in board.rows if (why := _left_out(row, board, figure))}
    rows = [row for row in board.rows if row.retriever not in left_out]
    machines = frozenset[str]().union(*(row.price.machines for row in rows if row.price))
    no_front = ""
    if figure.startswith("query_ms") and len(machines) > 1:
        no_front = f"times are of {len(machines)} different machines, so no front is marked"
    costs = {row.retriever: row.price.figures[figure] for row in rows if row.price}
    means = {row.retriever: row.mean for row in rows if row.mean}
    best = front({name: (costs[name], means[name].mean) for name in means})
    points = [
        ParetoPoint(name, costs[name], means[name], on_front=not no_front and name in best) for name in means
    ]
    points.sort(key=lambda point: (point.cost, -point.score.mean, point.retriever))
    return Pareto(figure, tuple(points), left_out, no_front)


def front(points: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """The Pareto front of name -> (cost, quality): no other is as cheap and as good, and better in one."""
    return frozenset(
        name
        for name, (cost, quality) in points.items()
        if not any(
            other_cost <= cost and other_quality >= quality and (other_cost, other_quality) != (cost, quality)
            for other_cost, other_quality in points.values()
        )
    )


def _left_out(row: Row, board: Board, figure: str) -> str:
    """Why a row cannot be among the points; "" where it can."""
    if row.mean is None:
        return row.no_mean
    if row.retriever != board.baseline and not row.compared:
        return row.mean.reason
    if row.price is None or figure not in row.price.figures:
        return "its cost was not measured"
    if row.price.figures[figure] <= 0:
        return "its cost is not above 0"
    if row.price.tasks < len(board.mean_over):
        return f"its cost was measured on {row.price.tasks} of {len(board.mean_over)} tasks only"
    return ""
