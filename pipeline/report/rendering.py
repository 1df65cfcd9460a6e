"""Templates: HTML is escaped by the engine, Markdown by the filter `md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.visible import markdown, visible


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template of this package, filled in; one whose name has `.html` is escaped as HTML.

    Raises:
        jinja2.UndefinedError: the template names what the context lacks.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    engine = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=select_autoescape(["html.j2"], default=False),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    engine.filters["md"] = markdown
    engine.filters["visible"] = visible
    return engine.get_template(template).render(context)
