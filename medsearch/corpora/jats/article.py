"""One JATS article as a document."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from medsearch.corpora.jats.front import article_metadata, article_title
from medsearch.corpora.jats.safe_xml import BadXmlError, line_of
from medsearch.corpora.jats.sections import abstract_blocks, body_blocks, join_blocks
from medsearch.types import Document


def find_articles(root: etree._Element) -> Iterator[etree._Element]:
    """The article that a file is, or those that it wraps, as NCBI's `<pmc-articleset>` does.

    Raises:
        BadXmlError: there is none.
    """
    articles = [root] if root.tag == "article" else list(root.iterfind(".//article"))
    if not articles:
        raise BadXmlError(f"no <article> in it; the outermost element is <{root.tag}>")
    yield from articles


def read_article(article: etree._Element, *, fallback_id: str, source: str) -> tuple[Document, str]:
    """The article and a remark on what it lacks, empty for a whole one.

    The id is the PMCID, else the DOI, else `fallback_id`.

    Raises:
        BadXmlError: there is neither a title nor any text.
    """
    title = article_title(article)
    abstract, body = abstract_blocks(article), body_blocks(article)
    text, sections = join_blocks([*abstract, *body])
    if not title and not text:
        raise BadXmlError("the article has neither title nor text", line_of(article))
    metadata = article_metadata(article, source=source)
    doc_id = metadata.get("pmcid") or metadata.get("doi") or fallback_id
    lacking = "" if body else "no body" if article.find("body") is None else "no running text in its body"
    remark = f"{doc_id} has {lacking}; what can be searched is its title and abstract" if lacking else ""
    return Document(str(doc_id), title, text, metadata, sections), remark
