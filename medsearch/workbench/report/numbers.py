"""How scores, differences, counts and verdicts are written for people: scores times 100, one decimal."""

from __future__ import annotations

from typing import Any

from medsearch.evaluation.intervals import Interval
from medsearch.evaluation.verdicts import Outcome
from medsearch.workbench.board.leaderboard import Row, Score
from medsearch.workbench.board.prices import COSTS

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "?"
"""Stands where a count is not known: a model that others trained, a ledger that is not kept."""

BASELINE, NOT_COMPARED = "baseline", "not comparable"

SYMBOLS = {
    Outcome.BETTER: "▲",
    Outcome.WORSE: "▼",
    Outcome.NOT_DISTINGUISHABLE: "≈",
    BASELINE: "◆",
    NOT_COMPARED: "✕",
}
"""Beside the word, so that no verdict is told by colour alone."""


def points(value: float) -> str:
    """0.5199 is "52.0"."""
    return f"{100 * value:.1f}"


def signed(value: float) -> str:
    """0.031 is "+3.1"."""
    return f"{100 * value:+.1f}".replace("-", MINUS)


def span(interval: Interval) -> str:
    """(0.461, 0.579) is "[46.1, 57.9]"."""
    return f"[{', '.join(map(points, interval))}]"


def signed_span(interval: Interval) -> str:
    """(0.01, 0.02) is "[+1.0, +2.0]"."""
    return f"[{', '.join(map(signed, interval))}]"


def count(value: int | None) -> str:
    """A whole number with separators of thousands, `UNKNOWN` for `None`."""
    return UNKNOWN if value is None else f"{value:,}"


def cost(figures: Any, key: str) -> str:
    """One figure of a price or of a result's cost without its unit; "" where it was not measured."""
    value = figures.get(key) if figures else None
    return COSTS[key].written(value) if isinstance(value, int | float) else ""


def standing_of(row: Row, score: Score | None, baseline: str) -> str:
    """What a score is called beside the baseline's: an outcome, `BASELINE` or `NOT_COMPARED`."""
    if row.retriever == baseline:
        return BASELINE
    return str(score.judged.outcome) if score is not None and score.judged is not None else NOT_COMPARED


def short_mark(mark: str) -> str:
    """A mark as a label has it: without what follows a colon, and without the tasks it is from."""
    return mark.partition(" (")[0].partition(":")[0].strip()
