"""Abstract and body of an article as one text with headed sections that say where they stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from lxml import etree

from medsearch.corpora.jats.inline import Flow, plain_text
from medsearch.types import Section

Block = tuple[str, str]
"""Heading and paragraph."""

UNHEADED = "Main text"
"""Heading of body text that stands under none."""

_DOWNLOAD_LINK = "Click here for additional data file."
"""What PMC puts in place of a supplementary file."""

_NO_TEXT = frozenset({"title", "label", "caption", "sec-meta", "object-id"})
"""Children of sections and floats that are headings, or are read before the rest."""

_DEFAULT_LABELS = {
    "fig": "Figure",
    "fig-group": "Figure",
    "table-wrap": "Table",
    "table-wrap-group": "Table",
    "boxed-text": "Box",
    "chem-struct-wrap": "Structure",
}


def abstract_blocks(article: etree._Element) -> list[Block]:
    """Paragraphs of every abstract that is not a translation, structured or plain."""
    return [
        block
        for abstract in article.iterfind("front/article-meta/abstract")
        for block in _walk(abstract, (_abstract_heading(abstract),))
    ]


def body_blocks(article: etree._Element) -> list[Block]:
    """Paragraphs of the body, then captions of the floats that stand behind it.

    Nested headings are joined as "Methods > Patients"; captions of figures, tables and supplements stand
    after the paragraphs of their section as sections of their own. Left out: cells of tables, display and
    long formulas, reference lists, numeric citation marks, back matter and sub-articles (reviews, replies,
    translations).
    """
    containers = (part for tag in ("body", "floats-group") for part in article.iterfind(tag))
    return [block for container in containers for block in _walk(container, ())]


def join_blocks(blocks: Iterable[Block]) -> tuple[str, tuple[Section, ...]]:
    """One text of all paragraphs, a blank line between two; neighbours under one heading are one section."""
    parts: list[str] = []
    sections: list[Section] = []
    position = 0
    for heading, group in groupby(blocks, key=lambda block: block[0]):
        part = "\n\n".join(paragraph for _, paragraph in group)
        sections.append(Section(heading, position, position + len(part)))
        parts.append(part)
        position += len(part) + 2
    return "\n\n".join(parts), tuple(sections)


def _walk(container: etree._Element, path: tuple[str, ...]) -> Iterator[Block]:
    """Blocks of a body, abstract, section or box; floats wait until its own paragraphs are through."""
    heading = " > ".join(path) or UNHEADED
    flow = Flow()
    flow.add_text(container.text)
    for child in container:
        if child.tag == "sec":
            yield from _flush(flow, heading, path)
            flow = Flow()
            yield from _walk(child, _below(path, _section_title(child)))
        elif child.tag not in _NO_TEXT:
            flow.add(child)
        flow.add_text(child.tail)
    yield from _flush(flow, heading, path)


def _flush(flow: Flow, heading: str, path: tuple[str, ...]) -> Iterator[Block]:
    for paragraph in flow.paragraphs():
        if paragraph != _DOWNLOAD_LINK:
            yield heading, paragraph
    for element in flow.floats:
        yield from _float(element, path)


def _float(element: etree._Element, path: tuple[str, ...]) -> Iterator[Block]:
    """Caption, notes and nested floats of a figure, table, supplement or box."""
    tag = str(element.tag)
    label = _trim(plain_text(element.find("label"))) or _DEFAULT_LABELS.get(tag, "Supplementary material")
    caption = element.find("caption")
    if tag == "boxed-text":
        title = _trim(plain_text(element.find("caption/title"))) or _section_title(element)
        label = title if title.lower().startswith(label.lower()) else f"{label}: {title}" if title else label
    below = _below(path, label)
    paragraph = _caption_text(caption, with_title=tag != "boxed-text")
    if paragraph and paragraph != _DOWNLOAD_LINK:
        yield " > ".join(below), paragraph
    yield from _walk(element, path if tag.endswith("-group") else below)


def _caption_text(caption: etree._Element | None, *, with_title: bool) -> str:
    if caption is None:
        return ""
    flow = Flow()
    for child in caption:
        if child.tag != "title" or with_title:
            flow.add(child)
            flow.add_text(child.tail)
    text = ""
    for paragraph in flow.paragraphs():
        ended = not text or text[-1] in ".!?:;)"
        text = f"{text}{'' if ended else '.'} {paragraph}" if text else paragraph
    return text


def _abstract_heading(abstract: etree._Element) -> str:
    kind = abstract.get("abstract-type")
    if kind is None:
        return "Abstract"
    return _trim(plain_text(abstract.find("title"))) or f"Abstract ({kind})"


def _section_title(section: etree._Element) -> str:
    title = _trim(plain_text(section.find("title")))
    return title or _trim(plain_text(section.find("label"))) or (section.get("sec-type") or "").capitalize()


def _below(path: tuple[str, ...], heading: str) -> tuple[str, ...]:
    return (*path, heading) if heading else path


def _trim(heading: str) -> str:
    return heading.strip(" .:;,")
