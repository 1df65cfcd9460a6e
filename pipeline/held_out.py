"""What the other splits of a judged corpus hold, so that none of it comes into the one that is converted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from medsearch.corpora.passages import document_text
from medsearch.types import Document, Metadata, Qrels, Query

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

    def why_not_document(self, document: Document) -> str:
        """Why a document may not be used; empty where it may."""
        if document.doc_id in self.doc_ids:
            return "judged in another split"
        if group_of(document.metadata) in self.groups:
            return "its group is in another split"
        if text_key(document_text(document)) in self.texts:
            return "its text is in another split"
        return ""

    def why_not_query(self, query: Query) -> str:
        """Why a query may not be used; empty where it may."""
        if text_key(query.text) in self.texts:
            return "the query's text is in another split"
        if group_of(query.metadata) in self.groups:
            return "the query's group is in another split"
        return ""


def hold_out(others: Collection[Qrels], queries: Iterable[Query], documents: Iterable[Document]) -> HeldOut:
    """What the judgements of the other splits name; `queries` and `documents` are all of the corpus."""
    query_ids = frozenset(query_id for qrels in others for query_id in qrels)
    doc_ids = frozenset(doc_id for qrels in others for grades in qrels.values() for doc_id in grades)
    groups: set[str] = set()
    texts: set[bytes] = set()
    for query in queries:
        if query.query_id in query_ids:
            groups.add(group_of(query.metadata))
            texts.add(text_key(query.text))
    for document in documents:
        if document.doc_id in doc_ids:
            groups.add(group_of(document.metadata))
            texts.add(text_key(document_text(document)))
    return HeldOut(doc_ids, frozenset(groups - {""}), frozenset(texts - {b""}))
