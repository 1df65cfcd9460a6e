"""Templates: HTML is escaped by the engine, Markdown by the filter `md`; numbers are written by `numbers`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from medsearch.errors import MedsearchError
from medsearch.evaluation.stress import shown
from medsearch.workbench.comparison.sentences import weights_note
from medsearch.workbench.comparison.written import p_value
from medsearch.workbench.report import numbers
from medsearch.workbench.report.visible import markdown, markdown_table, visible


def weights(tasks: Iterable[str]) -> str:
    """How a mean over these tasks is weighted, as a sentence behind a space; "" where all count once."""
    note = weights_note(tasks)
    return f" {note[:1].upper()}{note[1:]}." if note else ""


_BREAKS = re.compile(r"([_/:\-])")


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template of this package, filled in; one whose name has `.html` is escaped as HTML.

    Raises:
        jinja2.UndefinedError: the template names what the context lacks.
        MedsearchError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    except ImportError:
        raise MedsearchError("a report needs jinja2: run `pip install 'medsearch[evaluate]'`") from None
    engine = Environment(
        loader=PackageLoader("medsearch.workbench.report"),
        autoescape=select_autoescape(["html.j2"], default=False),
        undefined=StrictUndefined,
        finalize=_finalised,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= _FILTERS
    engine.globals["symbols"] = numbers.SYMBOLS
    engine.globals["standing_of"] = numbers.standing_of
    engine.globals["table"] = markdown_table
    return engine.get_template(template).render(context)


def safe_markup(svg: str) -> Any:
    """What `svg.embedded` made, to stand in a page as it is."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704  # only shapes and escaped text, see `svg`


def _finalised(value: Any) -> Any:
    """Every text that a template shows: nothing in it may hide or turn round."""
    return visible(value) if type(value) is str else value


def _breakable(text: str) -> Any:
    """A name that may be broken after its signs, so that a narrow column holds it."""
    from markupsafe import Markup, escape

    escaped = (escape(part) for part in _BREAKS.split(visible(text)))
    return Markup("").join(
        part + Markup("<wbr>") if _BREAKS.fullmatch(str(part)) else part for part in escaped
    )


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "points": numbers.points,
    "signed": numbers.signed,
    "span": numbers.span,
    "signed_span": numbers.signed_span,
    "count": numbers.count,
    "p": p_value,
    "weights": weights,
    "cost": numbers.cost,
    "short_mark": numbers.short_mark,
    "rate": shown,
    "breakable": _breakable,
    "md": markdown,
    "shell": shlex.quote,
}
