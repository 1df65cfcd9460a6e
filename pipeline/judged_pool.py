"""The pool of a converted corpus: its whole documents but those of other splits."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from medsearch.corpora.catalogue import CorpusLocation, read_documents
from medsearch.corpora.estimate import estimate_documents
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.protocols import Progress
from medsearch.types import Document, Metadata
from pipeline.held_out import HeldOut, group_of
from pipeline.pool import PoolPassage, pool_line
from pipeline.records import SourceDocument


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """What becomes the pool. `licence` is for documents that name none.

    Of the `judged` ids it is remembered whether they are in the pool, of the `relevant` ones the passage.
    """

    location: CorpusLocation
    licence: str
    held_out: HeldOut
    judged: frozenset[str]
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class WrittenPool:
    """What the pool holds of the relevant documents by id, and why others of them are left out of it.

    `judged` are the ids of all judged documents in it.
    """

    judged: set[str] = field(default_factory=set)
    relevant: dict[str, PoolPassage] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)


def write_pool(request: PoolRequest, file: Path, rejects: Rejects, progress: Progress) -> WrittenPool:
    """Write the documents that may be used, in the corpus's order; the file appears when it is whole.

    Raises:
        CorpusError: the corpus has no documents, or the first bad record where `rejects` is strict.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    pool = WrittenPool()
    location = request.location
    with (
        part.open("wb") as stream,
        progress.stage(f"documents of {location.name}", estimate_documents(location)) as step,
    ):
        for document in read_documents(location, rejects):
            passage = whole_document(document, location.name, request.licence)
            why = request.held_out.why_not_document(document)
            if not why:
                stream.write(pool_line(passage))
                pool.seen["documents in the pool"] += 1
                if passage.passage_id in request.judged:
                    pool.judged.add(passage.passage_id)
                if passage.passage_id in request.relevant:
                    pool.relevant[passage.passage_id] = passage
            else:
                pool.seen[f"documents left out of the pool: {why}"] += 1
                if passage.passage_id in request.relevant:
                    pool.left_out[passage.passage_id] = why
            step(1)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
    return pool


def whole_document(document: Document, corpus: str, licence: str) -> PoolPassage:
    """The document as one passage: title and text, uncut. `licence` stands where it names none."""
    metadata = document.metadata
    source = SourceDocument(
        corpus=corpus,
        doc_id=document.doc_id,
        licence=_first_text(metadata, "licence", "license") or licence,
        url=_first_text(metadata, "url"),
        group=group_of(metadata),
    )
    return PoolPassage(document.doc_id, document_text(document), source)


def _first_text(metadata: Metadata, *keys: str) -> str:
    values = (metadata.get(key) for key in keys)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")
