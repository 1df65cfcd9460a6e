"""XML from strangers: no entity is expanded, no DTD loaded, nothing fetched, sizes and depths bounded."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Any

from lxml import etree

MAX_XML_BYTES = 64 * 2**20
"""The largest file parsed; the biggest article of the PMC open-access subset is a few MiB."""

LONGEST_ENTITY = 64
"""Characters of replacement text that a document's own entity may have: a symbol, not a building block."""

_NAMED_REFERENCE = re.compile(rb"&([A-Za-z][A-Za-z0-9]*);")
_XML_OWN = frozenset({b"amp", b"lt", b"gt", b"quot", b"apos"})
_UNDEFINED_ENTITY = re.compile(r"Entity '.*' not defined")
_RESOURCE_LIMIT = re.compile(r"amplification|depth|too (long|large|deep|big)|huge|limit", re.IGNORECASE)


class BadXmlError(Exception):
    """Why a file is not parsed; `line` is 0 where no line is to blame."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def parse_xml(data: bytes) -> etree._Element:
    """Parse to a tree with local names for tags, and entity references as the characters they stand for.

    References that only the (never loaded) JATS DTD defines, such as `&alpha;`, are taken from the HTML set,
    which has the same ISO names; one that is in neither stays in the text as `&name;`.

    Raises:
        BadXmlError: malformed, too large, too deep, or declares entities that could grow or reach out.
    """
    if len(data) > MAX_XML_BYTES:
        raise BadXmlError(f"more than {MAX_XML_BYTES:,} bytes of XML")
    try:
        root = _parse(data)
    except etree.XMLSyntaxError as error:
        if not _UNDEFINED_ENTITY.search(error.msg or ""):
            raise _bad_xml(error) from None
        try:
            root = _parse(_NAMED_REFERENCE.sub(_numeric_reference, data))
        except etree.XMLSyntaxError as second:
            raise _bad_xml(second) from None
    _put_characters_for_entities(root, _own_entities(root))
    for element in root.iter(etree.Element):
        if isinstance(element.tag, str) and element.tag.startswith("{"):
            element.tag = etree.QName(element).localname
    return root


def line_of(element: etree._Element) -> int:
    """The line of the file that an element starts on; 0 if that is not known."""
    line: int | None = getattr(element, "sourceline", None)
    return line or 0


def _parse(data: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(data, parser)


def _bad_xml(error: etree.XMLSyntaxError) -> BadXmlError:
    reason = re.sub(
        r", (see xml\w+\.|use XML_PARSE_HUGE option)?(, )?line \d+, column \d+.*$", "", error.msg or ""
    )
    if _RESOURCE_LIMIT.search(reason):
        return BadXmlError(f"XML bomb or absurd nesting: {reason}", error.lineno or 0)
    return BadXmlError(f"invalid XML: {reason or 'malformed'}", error.lineno or 0)


def _own_entities(root: etree._Element) -> dict[str, str | None]:
    """What the document itself declares: short, flat texts, and `None` for files outside of it."""
    dtd: Any = root.getroottree().docinfo.internalDTD  # the stubs know no iterentities
    own: dict[str, str | None] = {}
    for entity in dtd.iterentities() if dtd is not None else ():
        content = entity.content
        if content is not None and ("&" in content or "<" in content or len(content) > LONGEST_ENTITY):
            raise BadXmlError(f"declares entity {entity.name!r}, which is not a plain symbol (an XML bomb?)")
        own[entity.name] = content
    return own


def _put_characters_for_entities(root: etree._Element, own: dict[str, str | None]) -> None:
    for reference in list(root.iter(etree.Entity)):
        name = (reference.text or "").strip("&;")
        if name in own and own[name] is None:
            raise BadXmlError(f"entity {name!r} would read another file", line_of(reference))
        text = own.get(name) or html5.get(f"{name};") or f"&{name};"
        parent, before = reference.getparent(), reference.getprevious()
        text += reference.tail or ""
        if before is not None:
            before.tail = (before.tail or "") + text
        elif parent is not None:
            parent.text = (parent.text or "") + text
        if parent is not None:
            parent.remove(reference)


def _numeric_reference(match: re.Match[bytes]) -> bytes:
    name = match.group(1)
    characters = None if name in _XML_OWN else html5.get(f"{name.decode()};")
    if name in _XML_OWN:
        return match.group()
    return "".join(f"&#{ord(one)};" for one in characters).encode() if characters else b"&amp;" + name + b";"
