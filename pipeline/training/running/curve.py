"""The page that shows a training as it goes: its loss, and its scores on the dev panel."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from medsearch.index.manifest import replace_file
from medsearch.workbench.report.charts import INK, SOFT, draw, load_altair
from medsearch.workbench.report.visible import visible
from pipeline.training.running.history import Row

_WIDTH, _HEIGHT = 640, 240
_POINTS = 300
"""A longer curve is shown by the means of as many stretches."""

_REFRESH_S = 10
# Okabe and Ito (2008): told apart with nearly every kind of colour blindness, on light and on dark.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [4, 4])

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">{refresh}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: light-dark(#1b1b1b, #ececec); --soft: light-dark(#6b6b6b, #a5a5a5);
  --grid: light-dark(#dddddd, #444444); }}
body {{ font: 16px/1.5 Arial, "Liberation Sans", Helvetica, sans-serif; color: var(--ink); margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; background: light-dark(#ffffff, #1b1b1b); }}
svg {{ max-width: 100%; height: auto; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{state}</p>
{sections}
</main>
</body>
</html>
"""


def write_curve(file: Path, rows: Sequence[Row], *, name: str, steps: int, running: bool) -> None:
    """Draw the page anew; while `running` it loads itself again every ten seconds.

    Raises:
        MedsearchError: what draws the plots is not installed.
    """
    done = max((row["step"] for row in rows), default=0)
    losses = [row for row in rows if "loss" in row]
    points = [row for row in rows if "dev" in row]
    sections = []
    if len(losses) > 1:
        sections.append(f"<h2>Loss</h2>\n{_loss_plot(losses)}")
    if points:
        sections.append(f"<h2>Dev panel: nDCG@10, times 100</h2>\n{_dev_plot(points)}")
    page = _PAGE.format(
        refresh=f'\n<meta http-equiv="refresh" content="{_REFRESH_S}">' if running else "",
        title=escape(f"Training {visible(name)}"),
        state=escape(_state(done, steps, losses, points, running=running)),
        sections="\n".join(sections) or "<p>Nothing is measured yet.</p>",
    )
    replace_file(file, page.encode())


def _state(done: int, steps: int, losses: Sequence[Row], points: Sequence[Row], *, running: bool) -> str:
    said = [f"{'Step' if running else 'Ended at step'} {done:,} of {steps:,}"]
    if losses:
        said.append(f"loss {losses[-1]['loss']:.4f}")
    if points:
        said.append(
            f"dev mean {100 * points[0]['mean']:.1f} at first, {100 * points[-1]['mean']:.1f} at last"
        )
    return "; ".join(said) + "."


def _loss_plot(losses: Sequence[Row]) -> str:
    altair = load_altair()
    edges = (
        [len(losses) * place // _POINTS for place in range(_POINTS + 1)] if len(losses) > _POINTS else None
    )
    stretches = [losses[a:b] for a, b in pairwise(edges)] if edges else [[row] for row in losses]
    values = [
        {"step": part[-1]["step"], "loss": sum(row["loss"] for row in part) / len(part)} for part in stretches
    ]
    chart = (
        altair.Chart(altair.Data(values=values))
        .mark_line(color=INK, strokeWidth=1.5)
        .encode(x=_steps(altair), y=altair.Y("loss:Q", title="loss", scale=altair.Scale(zero=False)))
        .properties(width=_WIDTH, height=_HEIGHT)
    )
    ends = f"from {values[0]['loss']:.3f} to {values[-1]['loss']:.3f}"
    return draw(chart, name="loss", title="Loss by step", description=f"The loss went {ends}.")


def _dev_plot(points: Sequence[Row]) -> str:
    altair = load_altair()
    tasks = list(dict.fromkeys(task for row in points for task in row["dev"]))
    shown = {task: visible(task) for task in tasks}
    values = [
        {"step": row["step"], "task": shown[task], "score": 100 * score}
        for row in points
        for task, score in row["dev"].items()
    ]
    means = [{"step": row["step"], "task": "mean", "score": 100 * row["mean"]} for row in points]
    names = ["mean", *shown.values()]
    colours = [INK, *(_COLOURS[place % len(_COLOURS)] for place in range(len(tasks)))]
    dashes = [[1, 0], *(list(_DASHES[place % len(_DASHES)]) for place in range(len(tasks)))]
    legend = altair.Legend(orient="right", title=None)
    lines = altair.Chart(altair.Data(values=[*means, *values])).encode(
        x=_steps(altair),
        y=altair.Y("score:Q", title="nDCG@10, times 100", scale=altair.Scale(zero=False)),
        color=altair.Color("task:N", legend=legend, scale=altair.Scale(domain=names, range=colours)),
        strokeDash=altair.StrokeDash("task:N", legend=legend, scale=altair.Scale(domain=names, range=dashes)),
    )
    chart = altair.layer(lines.mark_line(strokeWidth=2), lines.mark_point(size=25, filled=True, fill=SOFT))
    return draw(
        chart.properties(width=_WIDTH, height=_HEIGHT),
        name="dev",
        title="Scores on the dev panel by step",
        description=f"The mean of {len(tasks)} tasks went from {100 * points[0]['mean']:.1f} to "
        f"{100 * points[-1]['mean']:.1f}.",
    )


def _steps(altair: Any) -> Any:
    return altair.X("step:Q", title="step", axis=altair.Axis(format="d", tickMinStep=1))
