"""Names for the licences that articles state by link or in words."""

from __future__ import annotations

import re

from lxml import etree

from medsearch.corpora.jats.inline import plain_text

_LINK = re.compile(
    r"creativecommons\.org/(?:(?P<licence>licenses)/(?P<code>by[a-z-]*)|publicdomain/(?P<domain>zero|mark))"
    r"(?:/(?P<version>\d\.\d))?",
    re.IGNORECASE,
)
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_LONGEST_STATEMENT = 200
_CLAUSES = (
    ("NC", r"non-? ?commercial|no commercial|\bby[ -]nc\b"),
    ("SA", r"share-? ?alike|\bby([ -]nc)?[ -]sa\b"),
    ("ND", r"no-? ?deriv|\bby([ -]nc)?[ -]nd\b"),
)


def licence_name(article: etree._Element) -> str:
    """Such as "CC BY 4.0", "CC BY-NC-SA", "CC0 1.0"; else the start of the statement; empty if there is none.

    A link settles it, also one in the statement; words are tried next ("Creative Commons Attribution
    Non-Commercial").
    """
    statements = []
    for permissions in article.iterfind("front/article-meta/permissions"):
        for licence in permissions.iter("license", "license_ref"):
            links = [licence.get(_XLINK_HREF, ""), *(link.get(_XLINK_HREF, "") for link in licence.iter())]
            text = plain_text(licence)
            for candidate in (*links, text):
                if match := _LINK.search(candidate):
                    return _from_link(match)
            statements.append(text)
    statement = " ".join(text for text in statements if text)
    return _from_words(statement) or statement[:_LONGEST_STATEMENT]


def _from_link(match: re.Match[str]) -> str:
    version = match["version"] or ""
    if match["domain"]:
        return f"CC0 {version}".strip() if match["domain"].lower() == "zero" else "public domain"
    return f"CC {match['code'].strip('-').upper()} {version}".strip()


def _from_words(statement: str) -> str:
    text = re.sub(r"[\u2010-\u2014]", "-", statement.lower())
    if "creative commons" not in text and not re.search(r"\bcc[ -]?(by|0)\b", text):
        return "public domain" if "public domain" in text else ""
    if re.search(r"\bcc[ -]?0\b|cc zero|public domain", text):
        return "CC0"
    parts = ["BY", *(name for name, pattern in _CLAUSES if re.search(pattern, text))]
    version = re.search(r"\b([1-4]\.0)\b", text)
    return f"CC {'-'.join(parts)} {version.group(1) if version else ''}".strip()
