"""From judgements to pairs of a query and a relevant document, and a count of each pair left out and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from medsearch.types import Qrels, Query
from pipeline.held_out import HeldOut, text_key
from pipeline.judged_pool import WrittenPool
from pipeline.pool import PoolPassage
from pipeline.records import JudgedRow, PairRow, QueryKind, Split
from pipeline.yields import Yield


@dataclass(frozen=True, slots=True)
class JudgedSplit:
    """The split that is converted. `qrels` are its judgements; from `min_grade` on they mean relevant."""

    split: Split
    qrels: Qrels
    min_grade: int
    queries: Mapping[str, Query]
    held_out: HeldOut

    def judged_ids(self) -> frozenset[str]:
        """The documents that are judged, whatever their grade."""
        return frozenset(doc_id for grades in self.qrels.values() for doc_id in grades)

    def relevant_ids(self) -> frozenset[str]:
        """The documents that are relevant to any query."""
        return frozenset(
            doc_id for grades in self.qrels.values() for doc_id, g in grades.items() if g >= self.min_grade
        )


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """The pairs of a split, and the judgements below the relevant grade of queries that have a pair."""

    pairs: list[PairRow]
    below: list[JudgedRow]
    counted: Yield


def judged_pairs(judged: JudgedSplit, pool: WrittenPool) -> JudgedPairs:
    """A row for each query and relevant document, in the order of the judgements.

    Queries with the same words share the id of the first, so that an answer to one is never a wrong
    answer to the other. Of such queries' judgements of one document, the highest counts.

    Args:
        judged: the split.
        pool: what became of its documents; an id that it does not know is not in the corpus.
    """
    pairs: list[PairRow] = []
    counted = Yield()
    shared_ids: dict[str, str] = {}
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
        shared_ids[query_id] = shared_id
        for doc_id, grade in grades.items():
            repeated = "the same pair under another query id" if (shared_id, doc_id) in done else ""
            why = _why_not(judged, query, doc_id, grade, pool) or repeated
            if why:
                counted.dropped[why] += 1
                continue
            done.add((shared_id, doc_id))
            pairs.append(_row(judged.split, query, shared_id, grade, pool.relevant[doc_id]))
    counted.kept = len(pairs)
    with_pair = {row.query_id for row in pairs}
    counted.seen["queries"] = len(with_pair)
    below = [row for row in _below(judged, shared_ids, pool) if row.query_id in with_pair]
    if below:
        counted.seen["judgements below the relevant grade, for mining"] = len(below)
    return JudgedPairs(pairs, below, counted)


def _below(judged: JudgedSplit, shared_ids: Mapping[str, str], pool: WrittenPool) -> list[JudgedRow]:
    """What no query of the same words judges relevant, in the order of the judgements."""
    highest: dict[tuple[str, str], int] = {}
    for query_id, shared_id in shared_ids.items():
        for doc_id, grade in judged.qrels[query_id].items():
            place = shared_id, doc_id
            highest[place] = max(grade, highest.get(place, grade))
    return [
        JudgedRow(query_id=query_id, passage_id=doc_id, grade=grade)
        for (query_id, doc_id), grade in highest.items()
        if grade < judged.min_grade and doc_id in pool.judged
    ]


def _why_not(judged: JudgedSplit, query: Query, doc_id: str, grade: int, pool: WrittenPool) -> str:
    if grade < judged.min_grade:
        return f"judged not relevant (grade below {judged.min_grade})"
    if doc_id in pool.left_out:
        return f"the document: {pool.left_out[doc_id]}"
    if doc_id not in pool.relevant:
        return "no such document in the corpus"
    key = text_key(query.text)
    if key and key == text_key(pool.relevant[doc_id].text):
        return "the document is the query itself"
    return ""


def _row(split: Split, query: Query, shared_id: str, grade: int, passage: PoolPassage) -> PairRow:
    return PairRow(
        row_id=json.dumps([query.query_id, passage.passage_id], ensure_ascii=False),
        query_id=shared_id,
        query=query.text,
        kind=QueryKind.JUDGED,
        positive_id=passage.passage_id,
        positive=passage.text,
        split=split,
        checks={"grade": float(grade)},
        source=passage.source,
    )
