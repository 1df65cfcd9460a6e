"""Scores on every task with their intervals, as a plot of points."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from medsearch.workbench.board.leaderboard import Board, Row, Score
from medsearch.workbench.comparison.versus import MEAN
from medsearch.workbench.report.charts import (
    COLOURS,
    INK,
    SHAPES,
    draw,
    label_of,
    load_altair,
    unlike,
)
from medsearch.workbench.report.numbers import standing_of
from medsearch.workbench.report.visible import visible

_WIDTH, _STEP = 560, 20


def task_plot(board: Board, *, name: str) -> str:
    """The SVG: a block a task, a line a retriever in the leaderboard's order; scores times 100."""
    altair = load_altair()
    values = _values(board)
    low = max(0, 10 * floor(min(value["low"] for value in values) / 10))
    high = min(100, 10 * ceil(max(value["high"] for value in values) / 10))
    shown = [standing for standing in COLOURS if any(value["is"] == standing for value in values)]
    shared = altair.Chart(altair.Data(values=values)).encode(
        y=altair.Y("label:N", sort=None, title=None, axis=altair.Axis(domain=False, ticks=False)),
    )
    scale = altair.Scale(domain=[low, max(high, low + 10)], nice=False)
    title = f"{board.terms.measure}, times 100"
    tasks = list(dict.fromkeys(value["task"] for value in values))
    lines = shared.mark_rule(color=INK, strokeWidth=1.5, opacity=0.65).encode(
        x=altair.X("low:Q", title=title, scale=scale), x2="high:Q"
    )
    dots = shared.mark_point(filled=True, opacity=1, size=85).encode(
        x=altair.X("mean:Q", title=title, scale=scale),
        color=_legend(altair.Color, altair, shown, COLOURS),
        shape=_legend(altair.Shape, altair, shown, SHAPES),
    )
    header = altair.Header(labelOrient="top", labelAnchor="start", labelPadding=4)
    chart = (
        altair.layer(lines, dots)
        .properties(width=_WIDTH, height=altair.Step(_STEP))
        .facet(row=altair.Row("task:N", sort=tasks, title=None, header=header), spacing=14)
        .resolve_scale(y="independent")
    )
    level = 100 * (1 - board.terms.procedure.alpha)
    return draw(
        chart,
        name=name,
        title=f"{board.terms.measure} of {len(board.rows)} retrievers on {len(board.tasks)} tasks",
        description=f"Points are means over queries, lines their {level:g} % intervals. The table below has "
        "the same numbers.",
    )


def _legend(channel: Any, altair: Any, shown: list[str], values: Any) -> Any:
    scale = altair.Scale(domain=shown, range=[values[standing] for standing in shown])
    return channel("is:N", scale=scale, legend=altair.Legend(orient="top", title=None, symbolSize=85))


def _values(board: Board) -> list[dict[str, Any]]:
    """A record a point, task by task; the mean over the tasks comes first."""
    blocks: list[tuple[str, list[tuple[Row, Score]]]] = []
    if len(board.mean_over) > 1:
        means = [(row, row.mean) for row in board.rows if row.mean is not None]
        blocks.append((f"{MEAN} ({len(board.mean_over)})", means))
    for task, queries in board.tasks.items():
        scored = [(row, row.scores[task]) for row in board.rows if task in row.scores]
        blocks.append((f"{visible(task)} ({queries:,} queries)", scored))
    return [
        {
            "task": title,
            "label": label,
            "mean": 100 * score.mean,
            "low": 100 * score.interval[0],
            "high": 100 * score.interval[1],
            "is": standing_of(row, score, board.baseline),
        }
        for title, scored in blocks
        for (row, score), label in zip(
            scored, unlike(label_of(row.retriever, score) for row, score in scored), strict=True
        )
    ]
