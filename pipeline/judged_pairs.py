"""From judgements to pairs of a query and a relevant document, and a count of each pair left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medsearch.types import Qrels, Query
from pipeline.held_out import HeldOut, text_key
from pipeline.pool import PoolPassage
from pipeline.records import PairRow, QueryKind, Split
from pipeline.yields import Yield


@dataclass(frozen=True, slots=True)
class JudgedSplit:
    """The split that is converted. `qrels` are its judgements; from `min_grade` on they mean relevant."""

    split: Split
    qrels: Qrels
    min_grade: int
    queries: Mapping[str, Query]
    held_out: HeldOut

    def relevant_ids(self) -> frozenset[str]:
        """The documents that are relevant to any query."""
        return frozenset(
            doc_id for grades in self.qrels.values() for doc_id, g in grades.items() if g >= self.min_grade
        )


def judged_pairs(
    judged: JudgedSplit, passages: Mapping[str, PoolPassage], left_out: Mapping[str, str]
) -> tuple[list[PairRow], Yield]:
    """A row for each query and relevant document, in the order of the judgements.

    Queries with the same words share the id of the first, so that an answer to one is never a wrong
    answer to the other.

    Args:
        judged: the split.
        passages: those of its relevant documents that are in the pool, by id.
        left_out: why others are not, by id; an id in neither is not in the corpus.
    """
    rows: list[PairRow] = []
    counted = Yield()
    first_ids: dict[bytes, str] = {}
    done: set[tuple[str, str]] = set()
    for query_id, grades in judged.qrels.items():
        counted.taken += len(grades)
        query = judged.queries.get(query_id)
        why = "no such query in the corpus" if query is None else judged.held_out.why_not_query(query)
        if query is None or why:
            counted.dropped[why] += len(grades)
            continue
        key = text_key(query.text)
        shared_id = first_ids.setdefault(key, query_id) if key else query_id
        for doc_id, grade in grades.items():
            why = _why_not(judged, query, doc_id, grade, passages, left_out)
            if not why and (shared_id, doc_id) in done:
                why = "the same pair under another query id"
            if why:
                counted.dropped[why] += 1
                continue
            done.add((shared_id, doc_id))
            rows.append(_row(judged.split, query, shared_id, grade, passages[doc_id]))
    counted.kept = len(rows)
    counted.seen["queries"] = len({row.query_id for row in rows})
    return rows, counted


def _why_not(
    judged: JudgedSplit,
    query: Query,
    doc_id: str,
    grade: int,
    passages: Mapping[str, PoolPassage],
    left_out: Mapping[str, str],
) -> str:
    if grade < judged.min_grade:
        return f"judged not relevant (grade below {judged.min_grade})"
    if doc_id not in passages:
        return f"the document: {left_out[doc_id]}" if doc_id in left_out else "no such document in the corpus"
    key = text_key(query.text)
    if key and key == text_key(passages[doc_id].text):
        return "the document is the query itself"
    return ""


def _row(split: Split, query: Query, shared_id: str, grade: int, passage: PoolPassage) -> PairRow:
    return PairRow(
        row_id=f"{query.query_id}|{passage.passage_id}",
        query_id=shared_id,
        query=query.text,
        kind=QueryKind.JUDGED,
        positive_id=passage.passage_id,
        positive=passage.text,
        split=split,
        checks={"grade": float(grade)},
        source=passage.source,
    )
