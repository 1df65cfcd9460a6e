"""TREC run and qrels files: the field's exchange formats.

A run line is `query_id Q0 doc_id rank score tag`, a qrels line `query_id 0 doc_id grade`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from medsearch.errors import UsageError
from medsearch.ranking import ranked
from medsearch.types import Qrels, Run


def write_run(run: Run, file: Path, *, tag: str) -> None:
    """Write a run, best first; scores keep every digit, so that reading gives back the same order.

    Raises:
        UsageError: if an id holds white space, which the format cannot carry.
    """
    with file.open("w", encoding="utf-8") as stream:
        for query_id, scores in run.items():
            for rank, (doc_id, score) in enumerate(ranked(scores), start=1):
                _check_ids((query_id, doc_id), file)
                stream.write(f"{query_id} Q0 {doc_id} {rank} {float(score)!r} {tag}\n")


def read_run(file: Path) -> dict[str, dict[str, float]]:
    """Read a run. The rank column is not used: the score gives the order, as in trec_eval.

    Raises:
        UsageError: naming the line that is not six columns, or whose score is no finite number.
    """
    run: dict[str, dict[str, float]] = {}
    for number, (query_id, _, doc_id, _, score, _) in _rows(file, 6, "query_id Q0 doc_id rank score tag"):
        try:
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(f"{file}:{number}: the score {score!r} is not a finite number")
        run.setdefault(query_id, {})[doc_id] = value
    return run


def write_qrels(qrels: Qrels, file: Path) -> None:
    """Write judgements, grade 0 included.

    Raises:
        UsageError: if an id holds white space, which the format cannot carry.
    """
    with file.open("w", encoding="utf-8") as stream:
        for query_id, grades in qrels.items():
            for doc_id, grade in grades.items():
                _check_ids((query_id, doc_id), file)
                stream.write(f"{query_id} 0 {doc_id} {grade}\n")


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Read judgements.

    Raises:
        UsageError: naming the line that is not four columns, or whose grade is no whole number.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (query_id, _, doc_id, grade) in _rows(file, 4, "query_id 0 doc_id grade"):
        try:
            qrels.setdefault(query_id, {})[doc_id] = int(grade)
        except ValueError:
            raise UsageError(f"{file}:{number}: the grade {grade!r} is not a whole number") from None
    return qrels


def _rows(file: Path, columns: int, layout: str) -> Iterable[tuple[int, list[str]]]:
    with file.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            parts = line.split()
            if not parts:
                continue
            if len(parts) != columns:
                raise UsageError(f"{file}:{number}: {len(parts)} columns where {columns} are due ({layout})")
            yield number, parts


def _check_ids(ids: Iterable[str], file: Path) -> None:
    for name in ids:
        if not name or any(letter.isspace() for letter in name):
            raise UsageError(
                f"{file}: the id {name!r} is empty or holds white space; TREC files cannot carry it"
            )
