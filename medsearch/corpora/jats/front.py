"""What the front matter of an article says about it, as document metadata."""

from __future__ import annotations

import re

from lxml import etree

from medsearch.corpora.jats.inline import plain_text
from medsearch.corpora.jats.licences import licence_name
from medsearch.corpora.jats.notices import find_notice
from medsearch.types import MetadataValue

_PMCID = re.compile(r"(?:PMC)?(\d+)(?:\.\d+)?", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_NOT_PUBLICATION = frozenset({"pmc-release", "nihms-submitted", "received", "accepted", "preprint"})
"""Kinds of dates that say when a copy was deposited or a manuscript sent, used only if there is no other."""

_JOURNAL_PATHS = (
    "journal-title-group/journal-title",
    "journal-title",
    "journal-title-group/abbrev-journal-title",
    "abbrev-journal-title",
    "journal-id[@journal-id-type='iso-abbrev']",
    "journal-id[@journal-id-type='nlm-ta']",
    "journal-id",
)


def article_title(article: etree._Element) -> str:
    """The title as printed, without the subtitle."""
    return plain_text(article.find("front/article-meta/title-group/article-title"), keep_marks=True)


def article_metadata(article: etree._Element, *, source: str) -> dict[str, MetadataValue]:
    """Subtitle, year, kind, journal, licence, ids, url, authors, keywords and notice, where they are there.

    `source` is "PMC" for articles with a PMCID, and the one given for others.
    """
    ids = _article_ids(article)
    pmcid, doi = ids.get("pmcid", ""), ids.get("doi", "")
    url = (
        f"https://pmc.ncbi.nlm.nih.gov/articles/{pmcid}/"
        if pmcid
        else f"https://doi.org/{doi}"
        if doi
        else ""
    )
    found: dict[str, MetadataValue] = {
        "subtitle": plain_text(article.find("front/article-meta/title-group/subtitle")),
        "year": _year(article),
        "kind": article.get("article-type"),
        "journal": _journal(article),
        "licence": licence_name(article),
        "pmid": ids.get("pmid"),
        "pmcid": pmcid,
        "doi": doi,
        "url": url,
        "authors": _authors(article),
        "keywords": _keywords(article),
        "notice": find_notice(article, article_title(article)),
        "source": "PMC" if pmcid else source,
    }
    return {key: value for key, value in found.items() if value}


def _article_ids(article: etree._Element) -> dict[str, str]:
    ids: dict[str, str] = {}
    for element in article.iterfind("front/article-meta/article-id"):
        kind, value = element.get("pub-id-type", ""), plain_text(element)
        if kind in ("pmc", "pmcid") and (match := _PMCID.fullmatch(value)):
            ids.setdefault("pmcid", f"PMC{match.group(1)}")
        elif kind == "pmid" and value.isdecimal():
            ids.setdefault("pmid", value)
        elif kind == "doi" and value:
            ids.setdefault("doi", re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", value))
    return ids


def _year(article: etree._Element) -> int | None:
    """That of the first publication date, which publishers put first because it is the one to cite."""
    dates: list[tuple[bool, int]] = []
    for date in article.iterfind("front/article-meta/pub-date"):
        match = _YEAR.search(plain_text(date.find("year")) or date.get("iso-8601-date", ""))
        if match:
            kind = date.get("pub-type") or date.get("date-type")
            dates.append((kind in _NOT_PUBLICATION, int(match.group())))
    return min(dates, key=lambda date: date[0])[1] if dates else None


def _journal(article: etree._Element) -> str:
    titles = (plain_text(article.find(f"front/journal-meta/{path}")) for path in _JOURNAL_PATHS)
    return next((title for title in titles if title), "")


def _authors(article: etree._Element) -> tuple[str, ...]:
    names: list[str] = []
    for contributor in article.iterfind("front/article-meta/contrib-group/contrib"):
        if contributor.get("contrib-type", "author") == "author":
            names.append(_contributor_name(contributor))
    return tuple(dict.fromkeys(name for name in names if name))


def _contributor_name(contributor: etree._Element) -> str:
    name = contributor.find("name")
    if name is None:
        name = contributor.find("name-alternatives/name")
    if name is not None:
        parts = (plain_text(name.find(part)) for part in ("given-names", "surname", "suffix"))
        return " ".join(part for part in parts if part)
    for path in ("string-name", "name-alternatives/string-name", "collab", "collab-alternatives/collab"):
        if (other := contributor.find(path)) is not None:
            return _own_text(other)
    return "Anonymous" if contributor.find("anonymous") is not None else ""


def _own_text(element: etree._Element) -> str:
    """Without the members that a collaboration may list inside its name."""
    if element.find("contrib-group") is None:
        return plain_text(element)
    return " ".join((element.text or "").split())


def _keywords(article: etree._Element) -> tuple[str, ...]:
    words: list[str] = []
    for group in article.iterfind("front/article-meta/kwd-group"):
        if not (group.get("kwd-group-type") or "").lower().startswith("abbr"):
            words += [plain_text(word) for tag in ("kwd", "compound-kwd") for word in group.iter(tag)]
    return tuple(dict.fromkeys(word for word in words if word))
