"""Running text of JATS elements: paragraphs and lists without citation marks, and no words run together."""

from __future__ import annotations

import re

from lxml import etree

FLOATS = frozenset({
    "fig", "fig-group", "table-wrap", "table-wrap-group", "boxed-text", "supplementary-material", "media",
    "chem-struct-wrap",
})  # fmt: skip
"""What is set apart from the running text, with a label and a caption of its own."""

_SKIPPED = frozenset({
    "tex-math", "graphic", "inline-graphic", "object-id", "alt-text", "long-desc", "ref-list", "index-term",
    "sec-meta", "table", "array", "permissions", "custom-meta", "annotation",
})  # fmt: skip
_PARAGRAPHS = frozenset({
    "p", "title", "disp-quote", "list", "def-list", "verse-group", "statement", "speech", "preformat", "code",
    "fn-group", "attrib", "disp-formula-group",
})  # fmt: skip
_LINES = frozenset({"list-item", "def-item", "verse-line"})
_FORMULAS = frozenset({"inline-formula", "disp-formula", "math", "chem-struct"})
_MARKS = frozenset({"fn", "table-fn", "aff", "corresp", "author-notes", "contrib"})

# Control characters cannot occur in XML, so they are free to stand for structure until the text is joined.
_PARAGRAPH, _LINE, _BULLET, _COLON, _GAP = "\x01", "\x02", "\x03", "\x04", "\x05"
_CITATION, _CITATION_END, _EDGE = "\x06", "\x07", "\x08"

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_SPACE_IN_LINE = re.compile(r"[^\S\x01-\x08]+")
_EDGE_OF_WORDS = re.compile(rf"(?<=[\w\]]){_EDGE}(?=[\w\[])")
_GLUE = re.compile(rf" *([{_BULLET}{_COLON}{_GAP}])[ {_PARAGRAPH}{_LINE}]*")
_GLUE_TEXT = {_BULLET: "- ", _COLON: ": ", _GAP: " "}
_DASHES = "\u2013\u2014\u2212-"  # en dash, em dash, minus, hyphen: last, as it stands inside []
_MARK = rf"{_CITATION}[^{_CITATION_END}]*{_CITATION_END}"
_CITED = re.compile(
    # "as described by [12]" needs its number to be read; "is common [12]" does not.
    rf"(?P<word>\b(?:of|by|in|from|with|to|see|refs?\.?|references?))? ?"
    rf"(?:[\[(] ?{_MARK}(?:{_MARK}|[\d ,;{_DASHES}])*[\])]|{_MARK}(?:[ ,;{_DASHES}]*{_MARK})*)"
)
_NUMBERED = re.compile(rf"[\[(]?\s*\d{{1,4}}[a-z]?(\s*[,;{_DASHES}]\s*\d{{1,4}}[a-z]?)*\s*[\])]?[.,]?")
_YEAR = re.compile(r"[\[(]?\s*(1[89]|20)\d\d[a-z]?\b")
_EXPONENT = re.compile(rf"\+?\d|[{_DASHES}]\w")
_LONGEST_FORMULA = 80


class Flow:
    """Collects the text of elements in reading order; floats met on the way are kept for later.

    Args:
        keep_marks: keep citation numbers and footnote signs, as titles do.
    """

    def __init__(self, *, keep_marks: bool = False) -> None:
        self._keep_marks = keep_marks
        self._pieces: list[str] = []
        self._list_depth = 0
        self.floats: list[etree._Element] = []

    def add_text(self, text: str | None) -> None:
        """Add characters as they stand in the XML."""
        if text:
            self._pieces.append(text)

    def add_content(self, element: etree._Element) -> None:
        """Add what is inside an element."""
        self.add_text(element.text)
        for child in element:
            self.add(child)
            self.add_text(child.tail)

    def add(self, element: etree._Element) -> None:
        """Add an element without its tail."""
        tag = str(element.tag)
        if tag in FLOATS:
            self.floats.append(element)
        elif tag in _FORMULAS:
            self._pieces.append(_EDGE + _formula(element) + _EDGE)
        elif tag in _PARAGRAPHS or tag in _LINES or _is_note_in_list(element):
            self._add_block(element, tag)
        elif tag == "sup":
            self._add_superscript(element)
        elif tag == "break":
            self._pieces.append(" ")
        elif tag == "xref" and not self._keep_marks and _is_mark(element):
            self._pieces.append(_CITATION + _raw_text(element) + _CITATION_END)
        elif tag in ("fn", "def") and not self._list_depth:
            self._pieces.append(" (" + " ".join(_paragraphs_of(element)) + ")")
        elif tag not in _SKIPPED:
            self.add_content(element)

    def paragraphs(self) -> list[str]:
        """The text so far as paragraphs, blanks normalised; lines of lists are kept as lines."""
        text = _SPACE_IN_LINE.sub(" ", "".join(self._pieces).translate(_INVISIBLE))
        text = _EDGE_OF_WORDS.sub(" ", text).replace(_EDGE, "")
        text = _close_gaps(_CITED.sub(_without_marks, text))
        text = _GLUE.sub(lambda glue: _GLUE_TEXT[glue.group(1)], text)
        lines = ([line.strip() for line in paragraph.split(_LINE)] for paragraph in text.split(_PARAGRAPH))
        joined = ("\n".join(line for line in part if line and line != "-") for part in lines)
        return [paragraph for paragraph in joined if paragraph]

    def _add_block(self, element: etree._Element, tag: str) -> None:
        edge = _LINE if self._list_depth or tag in _LINES else _PARAGRAPH
        is_list = tag in ("list", "def-list")
        self._list_depth += is_list
        self._pieces.append(edge)
        if tag == "def-item":
            self._add_definition(element)
        else:
            if tag == "list-item" and element.find("label") is None:
                self._pieces.append(_BULLET)
            self._add_labelled(element)
        self._pieces.append(edge)
        self._list_depth -= is_list

    def _add_labelled(self, element: etree._Element) -> None:
        self.add_text(element.text)
        for child in element:
            self.add(child)
            if child.tag == "label":
                self._pieces.append(_GAP)
            self.add_text(child.tail)

    def _add_definition(self, element: etree._Element) -> None:
        for number, child in enumerate(element):
            if number:
                self._pieces.append(_COLON if child.tag == "def" else _GAP)
            self.add_content(child)

    def _add_superscript(self, element: etree._Element) -> None:
        """`10<sup>5</sup>` must not read 105, nor `patients.<sup>12</sup>` run on; m2 may be read as m2."""
        before = next((piece[-1] for piece in reversed(self._pieces) if piece), " ")
        start = len(self._pieces)
        self.add_content(element)
        content = "".join(self._pieces[start:])
        if before.isdigit() and _EXPONENT.match(content):
            self._pieces.insert(start, "^")
        elif before in ".,;:" and content[:1].isdigit():
            self._pieces.insert(start, " ")


def _paragraphs_of(element: etree._Element) -> list[str]:
    flow = Flow()
    for child in element:
        if child.tag != "label":
            flow.add(child)
        flow.add_text(child.tail)
    return flow.paragraphs()


def plain_text(element: etree._Element | None, *, keep_marks: bool = False) -> str:
    """An element's text on one line; empty for `None`."""
    if element is None:
        return ""
    flow = Flow(keep_marks=keep_marks)
    flow.add_content(element)
    return " ".join(" ".join(flow.paragraphs()).split())


def _raw_text(element: etree._Element) -> str:
    return "".join(map(str, element.itertext())).strip()


def _without_marks(cited: re.Match[str]) -> str:
    if not cited["word"]:
        return _CITATION
    return cited.group().replace(_CITATION, "").replace(_CITATION_END, "")


def _close_gaps(text: str) -> str:
    """Make "et al. [3]." and "([4] and others)" end and begin well where the marks were."""
    text = re.sub(rf"\.{_CITATION}\.", ".", text)
    return re.sub(rf"(?<=[(\[]){_CITATION} ?|{_CITATION}", "", text)


def _is_note_in_list(element: etree._Element) -> bool:
    parent = element.getparent()
    return element.tag == "fn" and parent is not None and parent.tag in ("table-wrap-foot", "fn-group")


def _is_mark(xref: etree._Element) -> bool:
    """Whether a cross-reference is a number or sign to leave out; `Figure 2`, `Smith et al.`, `2010` stay."""
    text = _raw_text(xref)
    kind = xref.get("ref-type")
    if kind == "bibr":
        return bool(_NUMBERED.fullmatch(text)) and not _YEAR.match(text)
    return kind in _MARKS and len(text) <= 3


def _formula(element: etree._Element) -> str:
    """A short inline formula as its characters; anything longer or on a line of its own as `[formula]`."""
    math = element if element.tag == "math" else next(element.iter("math"), None)
    text = "".join(_characters(math if math is not None else element))
    text = " ".join(text.split())
    shown = element.tag != "disp-formula" and 0 < len(text) <= _LONGEST_FORMULA
    return text if shown else "[formula]"


def _characters(element: etree._Element) -> list[str]:
    if element.tag in _SKIPPED or element.tag == "label":
        return []
    parts = [element.text or ""]
    for child in element:
        parts += [*_characters(child), child.tail or ""]
    return parts
