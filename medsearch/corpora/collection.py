"""Test collections: documents, queries and judgements of one split."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Iterator
from pathlib import Path

from medsearch.corpora.beir import find_plain_or_gzip, find_splits, read_beir_queries, read_qrels
from medsearch.corpora.documents import read_documents
from medsearch.corpora.locations import CorpusFormat, CorpusLocation
from medsearch.corpora.rejects import Rejects
from medsearch.errors import UsageError
from medsearch.types import Collection, Qrels, Query


def splits(location: CorpusLocation) -> tuple[str, ...]:
    """The splits that have judgements, by name; none for articles and notes."""
    return tuple(find_splits(location.path)) if location.format is CorpusFormat.BEIR else ()


def read_queries(location: CorpusLocation, rejects: Rejects) -> Iterator[Query]:
    """Yield the good queries of all splits; articles and notes have none."""
    path = find_plain_or_gzip(location.path, "queries.jsonl")
    if location.format is CorpusFormat.BEIR and path is not None:
        yield from read_beir_queries(path, location.name, rejects)


def read_judgements(location: CorpusLocation, split: str, rejects: Rejects) -> dict[str, dict[str, int]]:
    """The judgements of one split alone.

    Raises:
        UsageError: there is no such split.
    """
    return read_qrels(_judgements_file(location, split), rejects)


def load_collection(location: CorpusLocation, split: str, rejects: Rejects) -> Collection:
    """Read a whole test collection; of the queries only those that the split judges.

    Judgements stay as they are. Those of documents or queries that are not there are counted in one
    warning each: a document missed is one no retriever can find, so scores fall for every model.

    Raises:
        UsageError: there is no such split.
        CorpusError: there are no documents, or the first bad record where `rejects` is strict.
    """
    file = _judgements_file(location, split)
    qrels = read_qrels(file, rejects)
    documents = tuple(read_documents(location, rejects))
    queries = tuple(query for query in read_queries(location, rejects) if query.query_id in qrels)
    where = str(file)
    _warn_of_unknown(where, "query", qrels, {query.query_id for query in queries}, rejects)
    judged = [doc_id for grades in qrels.values() for doc_id in grades]
    _warn_of_unknown(where, "document", judged, {document.doc_id for document in documents}, rejects)
    return Collection(location.name, split, documents, queries, qrels)


def _judgements_file(location: CorpusLocation, split: str) -> Path:
    known = find_splits(location.path) if location.format is CorpusFormat.BEIR else {}
    if split not in known:
        there_is = f"it has {', '.join(known)}" if known else "it has no judgements (qrels/SPLIT.tsv) at all"
        raise UsageError(f"corpus {location.name} has no split {split!r}; {there_is}")
    return known[split]


def _warn_of_unknown(
    where: str, what: str, judged: Qrels | list[str], there: AnyCollection[str], rejects: Rejects
) -> None:
    unknown = sorted({name for name in judged if name not in there})
    if unknown:
        examples = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        count = f"{len(unknown):,} {what} ids are" if len(unknown) > 1 else f"1 {what} id is"
        rejects.warn(where, f"{count} judged but not in the corpus ({examples})")
