"""Turn the tables of a hub data set into BEIR files: `corpus.jsonl.gz`, `queries.jsonl.gz`, `qrels/*.tsv`."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from medsearch.corpora.fetch import Progress
from medsearch.corpora.sources import Layout, Source
from medsearch.corpora.tables import Row, read_rows
from medsearch.errors import CorpusError

_REPORT_EVERY = 1000
_T = TypeVar("_T")

Tables = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a corpus has; `qrels` are judged pairs a split."""

    documents: int
    queries: int
    qrels: Mapping[str, int]


def convert(source: Source, tables: Tables, folder: Path, progress: Progress) -> Counts:
    """Write the BEIR files of these tables into `folder`, made by the caller.

    Raises:
        CorpusError: a table cannot be read, or a row lacks an id, a text or a whole-numbered score.
    """
    if source.layout is Layout.PAIRS:
        return _convert_pairs(tables["pairs"], folder, progress)
    documents = _write_jsonl(folder / "corpus.jsonl.gz", _each(tables["corpus"], _document), progress)
    queries = _write_jsonl(folder / "queries.jsonl.gz", _each(tables["queries"], _query), progress)
    splits = {
        table.removeprefix("qrels/"): files for table, files in tables.items() if table.startswith("qrels/")
    }
    qrels = {split: _write_qrels(folder, split, _each(files, _judgement)) for split, files in splits.items()}
    return Counts(documents=documents, queries=queries, qrels=qrels)


def _convert_pairs(files: Sequence[Path], folder: Path, progress: Progress) -> Counts:
    """Questions are queries, answers documents; equal ones are one.

    Ids are `Q<n>` and `D<n>` in order of first appearance, rows with an empty half counted but left out,
    as mteb's PublicHealthQA task numbers them: its runs and ours can be laid side by side.
    """
    pairs = [(row.get("question"), row.get("answer")) for row in chain.from_iterable(map(read_rows, files))]
    questions = {text: f"Q{n}" for n, text in enumerate(dict.fromkeys(q for q, _ in pairs if q))}
    answers = {text: f"D{n}" for n, text in enumerate(dict.fromkeys(a for _, a in pairs if a))}
    whole = list(dict.fromkeys((q, a) for q, a in pairs if q and a))
    if not whole:
        raise CorpusError(f"{files[0].name}: no row has both a question and an answer")
    documents = ({"_id": answers[a], "title": "", "text": a} for a in dict.fromkeys(a for _, a in whole))
    queries = ({"_id": questions[q], "text": q} for q in dict.fromkeys(q for q, _ in whole))
    judgements = ((questions[q], answers[a], 1) for q, a in whole)
    return Counts(
        documents=_write_jsonl(folder / "corpus.jsonl.gz", documents, progress),
        queries=_write_jsonl(folder / "queries.jsonl.gz", queries, progress),
        qrels={"test": _write_qrels(folder, "test", judgements)},
    )


def _each(files: Sequence[Path], read: Callable[[Row], _T]) -> Iterator[_T]:
    for file in files:
        for number, row in enumerate(read_rows(file), start=1):
            try:
                yield read(row)
            except (KeyError, ValueError, TypeError) as error:
                raise CorpusError(f"{file.name}: row {number}: {_complaint(error)}") from error


def _complaint(error: Exception) -> str:
    return f"the column {error} is missing" if isinstance(error, KeyError) else str(error)


def _id(row: Row) -> str:
    value = row["_id"] if "_id" in row else row["id"]
    if value is None or not str(value).strip():
        raise ValueError("the id is empty")
    return str(value)


def _document(row: Row) -> dict[str, Any]:
    document = {"_id": _id(row), "title": row.get("title") or "", "text": row["text"] or ""}
    return document | ({"metadata": row["metadata"]} if row.get("metadata") else {})


def _query(row: Row) -> dict[str, Any]:
    return {"_id": _id(row), "text": row["text"] or ""}


def _judgement(row: Row) -> tuple[str, str, int]:
    score = float(row["score"])
    if not score.is_integer():
        raise ValueError(f"the score {score} is not a whole number")
    return str(row["query-id"]), str(row["corpus-id"]), int(score)


def _write_jsonl(file: Path, rows: Iterable[Mapping[str, Any]], progress: Progress) -> int:
    count = 0
    # No name and no time in the gzip header: the same rows give the same bytes, and the same SHA-256.
    # A lone surrogate cannot be UTF-8; written as its escape it is still the same JSON.
    with (
        file.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", errors="backslashreplace", newline="\n") as lines,
    ):
        for count, row in enumerate(rows, start=1):
            lines.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            if count % _REPORT_EVERY == 1:
                progress(file.name, count, 0)
    progress(file.name, count, count)
    return count


def _write_qrels(folder: Path, split: str, judgements: Iterable[tuple[str, str, int]]) -> int:
    file = folder / "qrels" / f"{split}.tsv"
    file.parent.mkdir(exist_ok=True)
    count = 0
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        lines.write("query-id\tcorpus-id\tscore\n")
        for query, document, score in judgements:
            lines.write(f"{query}\t{document}\t{score}\n")
            count += 1
    return count
