"""What all charts share: colours that the page's style sets for light and dark, shapes, and the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from medsearch.errors import MedsearchError
from medsearch.evaluation.verdicts import Outcome
from medsearch.workbench.board.leaderboard import Score
from medsearch.workbench.report.numbers import BASELINE, NOT_COMPARED, short_mark
from medsearch.workbench.report.svg import embedded
from medsearch.workbench.report.visible import visible

if TYPE_CHECKING:
    import altair

INK, SOFT, GRID = "var(--ink)", "var(--soft)", "var(--grid)"

# Blue and vermilion are told apart with nearly every kind of colour blindness (Okabe and Ito 2008); shapes
# say the same again.
COLOURS: Mapping[str, str] = {
    Outcome.BETTER: "var(--better)",
    Outcome.WORSE: "var(--worse)",
    Outcome.NOT_DISTINGUISHABLE: SOFT,
    BASELINE: INK,
    NOT_COMPARED: SOFT,
}
SHAPES: Mapping[str, str] = {
    Outcome.BETTER: "triangle-up",
    Outcome.WORSE: "triangle-down",
    Outcome.NOT_DISTINGUISHABLE: "circle",
    BASELINE: "diamond",
    NOT_COMPARED: "cross",
}

_FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
_LONGEST = 30


def load_altair() -> Any:
    """The chart library.

    Raises:
        MedsearchError: it, or what draws its charts, is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401  # draws what altair describes; missed here rather than half-way
    except ImportError as error:
        raise MedsearchError(
            f"the report's plots need {error.name}: run `pip install 'medsearch[evaluate]'`"
        ) from None
    return altair


def draw(chart: altair.TopLevelMixin, *, name: str, title: str, description: str) -> str:
    """The chart as SVG that can stand in a page; nothing is fetched for it."""
    import vl_convert

    spec = chart.to_dict()
    spec["background"] = "transparent"
    spec["config"] = {
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK, "titleColor": INK, "gridColor": GRID, "domainColor": SOFT, "tickColor": SOFT,
            "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 400,
        },
        "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "labelLimit": 400},
        "header": {"labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold", "labelLimit": 600},
    }  # fmt: skip
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return embedded(svg, name=name, title=title, description=description)


def label_of(retriever: str, score: Score | None, between: str = " ") -> str:
    """A retriever's name, cut where it is long, with the marks that its score must carry."""
    name = visible(retriever)
    name = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    marks = ", ".join(dict.fromkeys(visible(short_mark(mark)) for mark in score.marks)) if score else ""
    return f"{name}{between}[{marks}]" if marks else name


def unlike(labels: Iterable[str]) -> list[str]:
    """The labels, a number behind each that is there already: two names cut short can be alike."""
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found
