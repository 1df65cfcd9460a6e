"""A JATS corpus as documents; what cannot be read is set aside, file by file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medsearch.corpora.jats.article import find_articles, read_article
from medsearch.corpora.jats.files import find_xml_files, read_xml_file
from medsearch.corpora.jats.safe_xml import BadXmlError, parse_xml
from medsearch.corpora.records import SeenIds
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document


def read_jats(path: Path, source: str, rejects: Rejects) -> Iterator[Document]:
    """Yield the articles of a file, a package or a folder; `source` is for those that are not from PMC."""
    seen = SeenIds()
    for file in find_xml_files(path, lambda error: _folder_unread(error, rejects)):
        for where, stem, data in read_xml_file(file, rejects):
            for document in _articles_of(where, stem, data, source, rejects):
                if seen.is_repeated(document.doc_id):
                    rejects.set_aside(
                        where, f"duplicate id {document.doc_id!r}; the first article with it is kept"
                    )
                else:
                    yield document


def _articles_of(where: str, stem: str, data: bytes, source: str, rejects: Rejects) -> Iterator[Document]:
    try:
        articles = list(find_articles(parse_xml(data)))
    except BadXmlError as error:
        _set_aside(where, error, rejects)
        return
    for number, article in enumerate(articles, start=1):
        fallback_id = stem if len(articles) == 1 else f"{stem}-{number}"
        try:
            document, remark = read_article(article, fallback_id=fallback_id, source=source)
        except BadXmlError as error:
            _set_aside(where, error, rejects)
            continue
        if remark:
            rejects.warn(where, remark)
        yield document


def _folder_unread(error: OSError, rejects: Rejects) -> None:
    rejects.set_aside(str(error.filename), f"folder cannot be read: {error.strerror}")


def _set_aside(where: str, error: BadXmlError, rejects: Rejects) -> None:
    rejects.set_aside(f"{where}:{error.line}" if error.line else where, str(error))
