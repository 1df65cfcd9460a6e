"""TREC run and qrels files: the field's exchange formats.

A run line is `query_id Q0 doc_id rank score tag`, a qrels line `query_id 0 doc_id grade`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.measures import MAX_GRADE
from medsearch.ranking import ranked
from medsearch.types import Qrels, Run

_LOWEST_GRADE = -(2**31)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,4000}")
_SHOWN = 40

Value = TypeVar("Value", int, float)


def write_run(run: Run, file: Path, *, tag: str) -> None:
    """Write a run, best first; scores keep every digit, so that reading gives back the same order.

    Raises:
        MedsearchError: if an id or the tag is empty or holds white space, which the format cannot carry;
            nothing is written then.
    """
    check_ids([tag, *run, *(doc_id for scores in run.values() for doc_id in scores)])
    with file.open("w", encoding="utf-8") as stream:
        for query_id, scores in run.items():
            for rank, (doc_id, score) in enumerate(ranked(scores), start=1):
                stream.write(f"{query_id} Q0 {doc_id} {rank} {float(score)!r} {tag}\n")


def read_run(file: Path) -> dict[str, dict[str, float]]:
    """Read a run. The rank column is not used: the score gives the order, as in trec_eval.

    Raises:
        UsageError: if there is no such file.
        MedsearchError: if it is empty or not UTF-8, or naming the line that is not six columns, whose score
            is no finite number, or that ranks a document a second time for its query.
    """
    run: dict[str, dict[str, float]] = {}
    for number, (query_id, _, doc_id, _, score, _) in _rows(file, 6, "query_id Q0 doc_id rank score tag"):
        try:
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise MedsearchError(f"{file}:{number}: the score {score[:_SHOWN]!r} is not a finite number")
        _add(run.setdefault(query_id, {}), doc_id, value, f"{file}:{number}: query {query_id!r} ranks")
    return run


def write_qrels(qrels: Qrels, file: Path) -> None:
    """Write judgements, grade 0 included.

    Raises:
        MedsearchError: if an id is empty or holds white space, which the format cannot carry; nothing is
            written then.
    """
    check_ids([*qrels, *(doc_id for grades in qrels.values() for doc_id in grades)])
    with file.open("w", encoding="utf-8") as stream:
        for query_id, grades in qrels.items():
            for doc_id, grade in grades.items():
                stream.write(f"{query_id} 0 {doc_id} {grade}\n")


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Read judgements. A negative grade is kept, and counts as not relevant, as in trec_eval.

    Raises:
        UsageError: if there is no such file.
        MedsearchError: if it is empty or not UTF-8, or naming the line that is not four columns, whose grade
            is no whole number from -2**31 to `MAX_GRADE`, or that judges a document a second time for its
            query.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (query_id, _, doc_id, text) in _rows(file, 4, "query_id 0 doc_id grade"):
        if not _WHOLE_NUMBER.fullmatch(text):
            raise MedsearchError(f"{file}:{number}: the grade {text[:_SHOWN]!r} is not a whole number")
        grade = int(text)
        if not _LOWEST_GRADE <= grade <= MAX_GRADE:
            raise MedsearchError(
                f"{file}:{number}: the grade {text[:_SHOWN]} is not from {_LOWEST_GRADE:,} to {MAX_GRADE:,}"
            )
        _add(qrels.setdefault(query_id, {}), doc_id, grade, f"{file}:{number}: query {query_id!r} judges")
    return qrels


def check_ids(ids: Iterable[str]) -> None:
    """Make sure that TREC files can carry all of these.

    Raises:
        MedsearchError: naming the first that is empty or holds white space.
    """
    for name in ids:
        if not name or any(letter.isspace() for letter in name):
            raise MedsearchError(
                f"the id {name[:_SHOWN]!r} is empty or holds white space; TREC files cannot carry it"
            )


def _add(found: dict[str, Value], doc_id: str, value: Value, who: str) -> None:
    if doc_id in found:
        raise MedsearchError(f"{who} document {doc_id!r} a second time")
    found[doc_id] = value


def _rows(file: Path, columns: int, layout: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    empty = True
    try:
        # "utf-8-sig" drops the byte order mark that some editors put before the first id.
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                parts = line.split()
                if not parts:
                    continue
                if len(parts) != columns:
                    raise MedsearchError(
                        f"{file}:{number}: {len(parts)} columns where {columns} are due ({layout})"
                    )
                empty = False
                yield number, parts
    except UnicodeDecodeError:
        raise MedsearchError(f"{file}: not UTF-8 text, after line {number:,} ({layout} is due)") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from None
    if empty:
        raise MedsearchError(f"{file}: the file is empty ({layout} is due)")
