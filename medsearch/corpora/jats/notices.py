"""Retractions, corrections and expressions of concern, as an article declares them."""

from __future__ import annotations

import re

from lxml import etree

from medsearch.corpora.jats.inline import plain_text

_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"

_BY_TYPE = {
    "retraction": "retraction: this is a retraction notice",
    "partial-retraction": "retraction: this is a notice of partial retraction",
    "retracted-article": "retraction: this article has been retracted",
    "correction": "correction: this is a correction notice",
    "corrected-article": "correction: this article has been corrected",
    "addendum": "correction: this is an addendum",
    "expression-of-concern": "concern: this is an expression of concern",
}
_BY_RELATION = {
    "retraction-forward": "retraction: this article has been retracted",
    "partial-retraction-forward": "retraction: this article has been partly retracted",
    "retraction": "retraction: this article has been retracted",
    "partial-retraction": "retraction: this article has been partly retracted",
    "retracted-article": "retraction: this is a retraction notice",
    "correction-forward": "correction: this article has been corrected",
    "correction": "correction: this article has been corrected",
    "corrected-article": "correction: this is a correction notice",
    "addendum-forward": "correction: this article has an addendum",
    "addendum": "correction: this article has an addendum",
    "addended-article": "correction: this is an addendum",
    "concern-forward": "concern: this article is the object of an expression of concern",
    "object-of-concern-forward": "concern: this article is the object of an expression of concern",
    "expression-of-concern": "concern: this article is the object of an expression of concern",
    "object-of-concern": "concern: this is an expression of concern",
}
_BY_TITLE = (
    (r"\W*(retracted|withdrawn)\b( article)?\W*[:\]\u2013\u2014-]", _BY_TYPE["retracted-article"]),
    (r"\W*(retraction|withdrawal)( note| notice)?\W*(:|to\b|of\b)", _BY_TYPE["retraction"]),
    (r"\W*((author|publisher) )?(correction|corrigendum|erratum)s?\W*(:|to\b|$)", _BY_TYPE["correction"]),
    (r"\W*expression of concern\b", _BY_TYPE["expression-of-concern"]),
)
_SEVERITY = ("retraction", "concern", "correction")


def find_notice(article: etree._Element, title: str) -> str:
    """The gravest notice: from the article type, else its related articles, else how its title begins.

    "retraction: …", "concern: …" or "correction: …", with the related article's identifier where one is
    given; empty for an ordinary article. The relation names are those of the JATS tag library and PMC.
    """
    found = [_BY_TYPE.get(article.get("article-type") or "", "")]
    front = article.find("front/article-meta")
    for related in front.iter("related-article") if front is not None else ():
        notice = _BY_RELATION.get(related.get("related-article-type") or "", "")
        found.append(f"{notice} ({target})" if notice and (target := _target(related)) else notice)
    found += [notice for pattern, notice in _BY_TITLE if re.match(pattern, title, re.IGNORECASE)]
    graded = [notice for kind in _SEVERITY for notice in found if notice.startswith(kind)]
    return max(
        graded, key=lambda notice: (-_SEVERITY.index(notice.partition(":")[0]), "(" in notice), default=""
    )


def _target(related: etree._Element) -> str:
    return (related.get(_XLINK_HREF) or related.get("id-value") or plain_text(related))[:120]
