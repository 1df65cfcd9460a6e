"""Reads what the page shows as a browser would, and finds what documents must never get into it."""

from __future__ import annotations

import re

from lxml import html
from streamlit.testing.v1 import AppTest

_TAGS = {"div", "aside", "strong", "h1", "h2", "h3", "p", "ol", "ul", "li", "article", "header", "span"}
_TAGS |= {"mark", "footer", "details", "summary", "a", "section", "dl", "dt", "dd"}
_ATTRIBUTES = {"class", "id", "role", "dir", "tabindex", "href", "target", "rel", "referrerpolicy", "style"}
_ATTRIBUTES |= {"aria-label", "aria-labelledby", "aria-describedby", "aria-hidden"}
_PLACE = re.compile(r"(-{0,2}[a-z]+:(rotate\()?-?[0-9.]+(rem|deg)?\)?;?)*")
"""Styles may only place the lines between two lists: numbers, no colours and no addresses."""


def shown(at: AppTest) -> html.HtmlElement:
    """All HTML of the page but its style sheet, parsed; it must be harmless, and nothing must have failed."""
    assert not at.exception
    return harmless("".join(part.value for part in at.get("html") if not part.value.startswith("<style>")))


def harmless(body: str) -> html.HtmlElement:
    """`body` parsed, after making sure that it has only elements, attributes and links of the page's own."""
    tree = html.fromstring(f"<div>{body}</div>")
    for element in tree.iter():
        assert element.tag in _TAGS, html.tostring(element)
        assert set(element.attrib) <= _ATTRIBUTES, html.tostring(element)
        href = element.get("href", "#")
        assert href.startswith(("#", "https://", "http://")), href
        assert _PLACE.fullmatch(element.get("style", "")), html.tostring(element)
    return tree


def text_of(element: html.HtmlElement) -> str:
    """All text of an element, space as in the source."""
    return str(element.text_content())


def by_class(tree: html.HtmlElement, name: str) -> list[html.HtmlElement]:
    """Elements of a class, in order."""
    return list(tree.find_class(name))


def titles(tree: html.HtmlElement) -> list[str]:
    """The titles of the cards, in order."""
    return [text_of(heading) for card in by_class(tree, "ms-card") for heading in card.iter("h2")]


def marked_words(element: html.HtmlElement) -> set[str]:
    """The distinct marked words, in lower case."""
    return {text_of(mark).lower() for mark in element.iter("mark")}


def ask(at: AppTest, query: str) -> html.HtmlElement:
    """Type a query, press Search, and read the page."""
    at.text_input(key="query").set_value(query)
    next(button for button in at.button if button.label == "Search").click().run()
    return shown(at)


def literal(markdown: str) -> str:
    """What Markdown shows of text in which every special letter is escaped."""
    return re.sub(r"\\(.)", r"\1", markdown.replace("\u2060", ""))
