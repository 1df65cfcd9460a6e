"""How a comparison's numbers are written: points with one decimal, a minus sign, small p as a bound."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"

_SMALLEST_P = 0.0001


def points(value: float) -> str:
    """A score or difference of 0 to 1 times 100: 0.0212 is "2.1"; below 0 with a minus sign."""
    return f"{100 * value:.1f}".replace("-", MINUS)


def signed(value: float) -> str:
    """As `points` with a sign before what is above 0 too: 0.031 is "+3.1"."""
    return f"{100 * value:+.1f}".replace("-", MINUS)


def p_value(value: float) -> str:
    """Four decimals, "< 0.0001" below that."""
    return f"{value:.4f}" if value >= _SMALLEST_P else f"< {_SMALLEST_P}"


def p_equals(value: float) -> str:
    """The same with its sign, for a sentence: "p = 0.012", "p < 0.0001"."""
    return f"p = {value:.2g}" if value >= _SMALLEST_P else f"p {p_value(value)}"


def effect(value: float | None) -> str:
    """An effect size with two decimals; "?" where there is none."""
    return "?" if value is None else f"{value:+.2f}".replace("-", MINUS)
