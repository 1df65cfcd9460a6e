"""BEIR folders, plain or gzip: corpus.jsonl, queries.jsonl and qrels/<split>.tsv (Thakur et al., 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medsearch.corpora.lines import read_lines
from medsearch.corpora.metadata import flatten_metadata
from medsearch.corpora.records import SeenIds, read_json_records
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document, Query


def find_plain_or_gzip(folder: Path, name: str) -> Path | None:
    """The file `name` or `name.gz` of `folder`; the plain one where there are both."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def read_beir_documents(path: Path, source: str, rejects: Rejects) -> Iterator[Document]:
    """Yield the documents of a `corpus.jsonl[.gz]`; `source` is for records that name none."""
    for record in read_json_records(path, SeenIds(), rejects):
        metadata = flatten_metadata(record.metadata, source=source)
        yield Document(record.record_id, record.title, record.text, metadata)


def read_beir_queries(path: Path, source: str, rejects: Rejects) -> Iterator[Query]:
    """Yield the queries of a `queries.jsonl[.gz]`; one whose text is empty is set aside."""
    for record in read_json_records(path, SeenIds(), rejects):
        if not record.text.strip():
            rejects.set_aside(record.where, f"text of query {record.record_id!r} is empty", record.raw)
            continue
        yield Query(record.record_id, record.text, flatten_metadata(record.metadata, source=source))


def find_splits(folder: Path) -> dict[str, Path]:
    """Split name -> judgement file, of `qrels/<split>.tsv[.gz]`, in the order of the names."""
    names = sorted({path.name.removesuffix(".gz") for path in (folder / "qrels").glob("*.tsv*")})
    found = {
        name.removesuffix(".tsv"): find_plain_or_gzip(folder / "qrels", name)
        for name in names
        if name.endswith(".tsv")
    }
    return {split: path for split, path in found.items() if path is not None}


def read_qrels(path: Path, rejects: Rejects) -> dict[str, dict[str, int]]:
    """Read tab-separated query id, document id and integer grade, with or without a header line.

    A line of another shape is set aside; of two grades for one pair the first is kept.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, line in read_lines(path, rejects):
        try:
            columns = line.decode("utf-8").split("\t")
        except UnicodeDecodeError:
            rejects.set_aside(f"{path}:{number}", "broken UTF-8", line.decode("utf-8", "replace"))
            continue
        if number == 1 and columns[-1].strip().lower() in ("score", "relevance", "grade"):
            continue
        reason = _add_judgement(qrels, columns)
        if reason:
            rejects.set_aside(f"{path}:{number}", reason, "\t".join(columns))
    return qrels


def _add_judgement(qrels: dict[str, dict[str, int]], columns: list[str]) -> str:
    """Add one judgement; what is wrong with it, or an empty string."""
    if len(columns) != 3:
        return f"{len(columns)} tab-separated columns where query id, document id and grade are wanted"
    query_id, doc_id, grade_text = columns
    if not query_id.strip() or not doc_id.strip():
        return "query id or document id is empty"
    try:
        grade = int(grade_text)
    except ValueError:
        return f"grade {grade_text!r} is not an integer"
    known = qrels.setdefault(query_id, {}).setdefault(doc_id, grade)
    if known != grade:
        return f"{query_id!r} and {doc_id!r} are judged twice, {known} and {grade}; {known} is kept"
    return ""
