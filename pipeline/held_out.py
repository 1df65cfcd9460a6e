"""What the other splits of a judged corpus hold, so that none of it comes into the one that is converted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from medsearch.corpora.catalogue import CorpusLocation, read_documents, read_queries
from medsearch.corpora.passages import document_text
from medsearch.types import Document, Metadata, Qrels, Query
from pipeline.lost_records import LostRecords
from pipeline.near_texts import NearTexts

_WORDS = re.compile(r"\w+")


def text_key(text: str) -> bytes:
    """Equal for texts with the same words in the same order, whatever their case, blanks and punctuation.

    16 bytes; empty for a text without any word, which is like no other.
    """
    words = _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())
    return (
        blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest() if words else b""
    )


def group_of(metadata: Metadata) -> str:
    """The subject that a query or document belongs to: its `group`, else its `focus`, else empty."""
    for key in ("group", "focus"):
        value = metadata.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Ids, groups and texts of what is judged in other splits, whatever its grade. See `hold_out`."""

    doc_ids: frozenset[str]
    groups: frozenset[str]
    texts: frozenset[bytes]
    near: NearTexts

    def why_not_document(self, document: Document) -> str:
        """Why a document may not be used; empty where it may."""
        text, group = document_text(document), group_of(document.metadata)
        if document.doc_id in self.doc_ids:
            return "judged in another split"
        if group in self.groups:
            return "its group is in another split"
        if text_key(text) in self.texts:
            return "its text is in another split"
        if self.near.has_near(text, group):
            return "nearly the text of one of another split"
        return ""

    def why_not_query(self, query: Query) -> str:
        """Why a query may not be used; empty where it may."""
        if text_key(query.text) in self.texts:
            return "the query's text is in another split"
        if group_of(query.metadata) in self.groups:
            return "the query's group is in another split"
        return ""


@dataclass(frozen=True, slots=True)
class _Part:
    """A text of another split, with its subject."""

    text: str
    group: str


def hold_out(location: CorpusLocation, others: Collection[Qrels]) -> HeldOut:
    """What the judgements of the other splits name, read from the corpus; its other texts are not kept.

    A query or document of theirs whose record is bad is held out by what can be read of it.

    Raises:
        CorpusError: the corpus has no documents, or it has a record that cannot be read at all, and one of
            another split is missing: it may be that one.
    """
    query_ids = frozenset(query_id for qrels in others for query_id in qrels)
    doc_ids = frozenset(doc_id for qrels in others for grades in qrels.values() for doc_id in grades)
    parts: list[_Part] = []
    if others:
        lost = LostRecords(query_ids)
        parts += _queries(read_queries(location, lost), lost)
        lost = LostRecords(doc_ids)
        parts += _documents(read_documents(location, lost), lost)
    return HeldOut(
        doc_ids,
        frozenset(part.group for part in parts) - {""},
        frozenset(text_key(part.text) for part in parts) - {b""},
        NearTexts.of([part.text for part in parts], [part.group for part in parts]),
    )


def _queries(queries: Iterable[Query], lost: LostRecords) -> list[_Part]:
    found = [query for query in queries if query.query_id in lost.wanted]
    lost.refuse_unknown({query.query_id for query in found})
    return [*(_Part(query.text, group_of(query.metadata)) for query in found), *_lost_parts(lost)]


def _documents(documents: Iterable[Document], lost: LostRecords) -> list[_Part]:
    found = [document for document in documents if document.doc_id in lost.wanted]
    lost.refuse_unknown({document.doc_id for document in found})
    return [
        *(_Part(document_text(document), group_of(document.metadata)) for document in found),
        *_lost_parts(lost),
    ]


def _lost_parts(lost: LostRecords) -> list[_Part]:
    return [_Part(record.text, group_of(record.metadata)) for record in lost.records]
