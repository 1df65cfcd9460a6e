"""Makes a chart's SVG part of a page: named for those who do not see it, and with nothing that could act."""

from __future__ import annotations

import re

_SVG = "http://www.w3.org/2000/svg"
_NAMESPACES = re.compile(r'\sxmlns(:\w+)?="[^"]*"')
_LOCAL = re.compile(r"url\(#(?=[\w-]+\)$)")
_ALLOWED = frozenset({"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clipPath"})


def embedded(svg: str, *, name: str, title: str, description: str) -> str:
    """The SVG as an image of a page, titled and described; its ids begin with `name`.

    Vega draws only shapes and text. Anything else, every link and every handler of events is dropped, so
    that no name in a label could bring one in.
    """
    from lxml import etree

    root = etree.fromstring(svg.encode("utf-8"), etree.XMLParser(resolve_entities=False, no_network=True))
    for element in list(root.iter()):
        tag = etree.QName(element).localname if isinstance(element.tag, str) else ""
        if tag not in _ALLOWED:
            element.getparent().remove(element)
            continue
        for key, value in list(element.attrib.items()):
            if key.startswith(("aria-", "on", "{")) or key in ("role", "href", "style"):
                del element.attrib[key]
            elif key == "id":
                element.attrib[key] = f"{name}-{value}"
            elif _LOCAL.match(value):
                element.attrib[key] = _LOCAL.sub(f"url(#{name}-", value)
            elif "url(" in value:
                del element.attrib[key]
    root.attrib.update(
        {"role": "img", "aria-labelledby": f"{name}-title {name}-description", "focusable": "false"}
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = etree.Element(f"{{{_SVG}}}{tag}", id=f"{name}-{'title' if not place else 'description'}")
        element.text = text
        root.insert(place, element)
    return _NAMESPACES.sub("", str(etree.tostring(root, encoding="unicode")))
