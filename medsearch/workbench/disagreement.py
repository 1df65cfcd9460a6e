"""Where two retrievers disagree on a task: queries by rank-biased overlap, with the documents that moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median

from medsearch.errors import MedsearchError
from medsearch.evaluation.intervals import Interval, bootstrap_interval
from medsearch.evaluation.query_traits import QueryTraits, document_frequencies, traits_of
from medsearch.evaluation.rank_overlap import PERSISTENCE, rank_biased_overlap
from medsearch.evaluation.results import PRIMARY, TaskResult
from medsearch.evaluation.trec import read_run
from medsearch.ranking import ranked
from medsearch.types import Collection, Query

LOOKED_AT = 10
"""Documents that are among the first so many of either ranking can be shown as moved."""

MOVED = 5
"""The most that are shown of a query."""

FEWEST = 10
"""Queries that a group needs for an interval."""


class Split(StrEnum):
    """What queries are grouped by."""

    KIND = "kind"
    LENGTH = "length"
    RARE = "rare"
    NEGATION = "negation"


@dataclass(frozen=True, slots=True)
class Moved:
    """A document that the two rank differently: ranks from 1, `None` where not retrieved; grade if judged."""

    doc_id: str
    rank_a: int | None
    rank_b: int | None
    grade: int | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One query: `rbo` from 0 (nothing shared) to 1 (the same ranking), nDCG@10 of both, what moved most."""

    query: Query
    rbo: float
    a: float
    b: float
    traits: QueryTraits
    moved: tuple[Moved, ...]

    @property
    def difference(self) -> float:
        """How much more b scores than a."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class QueryGroup:
    """Queries alike in one thing: means, and the 95 % interval of the mean difference b - a.

    The interval is a bootstrap's and is corrected for nothing; `None` of fewer than `FEWEST` queries.
    """

    split: Split
    name: str
    queries: int
    rbo: float
    a: float
    b: float
    difference: float
    ci: Interval | None


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Two retrievers on one task, the query that they disagree on most first.

    `marks` is what has to be said beside the scores of each.
    """

    task: str
    a: str
    b: str
    queries: tuple[Disagreement, ...]
    marks: Mapping[str, tuple[str, ...]]

    def groups(self, split: Split) -> tuple[QueryGroup, ...]:
        """The groups of a split, by name; together they have every query once."""
        return tuple(_group(split, name, found) for name, found in self.grouped(split).items())

    def grouped(self, split: Split) -> dict[str, list[Disagreement]]:
        """Group -> its queries, in the order that they have here.

        Words are rare as against the other queries: those above the median of `rarity` have rarer words. A
        fixed share of the documents would split nothing where queries are long or documents few.
        """
        middle = median(one.traits.rarity for one in self.queries) if self.queries else 0.0
        found: dict[str, list[Disagreement]] = {}
        for one in self.queries:
            found.setdefault(_group_of(one.traits, split, middle), []).append(one)
        return {name: found[name] for name in sorted(found)}


def disagreements(a: TaskResult, b: TaskResult, collection: Collection) -> Disagreements:
    """Compare two runs query by query; queries that one of them was not scored on are left out.

    Raises:
        MedsearchError: if they share no query of the collection, or a run cannot be read.
    """
    runs = read_run(a.run_file), read_run(b.run_file)
    shared = [q for q in collection.queries if q.query_id in a.scores and q.query_id in b.scores]
    if not shared:
        raise MedsearchError(
            f"{a.retriever} and {b.retriever} have no query in common on {a.task} as it is here"
        )
    frequencies = document_frequencies(shared, collection.documents)
    found = []
    for query in shared:
        key = query.query_id
        first, second = ([doc_id for doc_id, _ in ranked(run.get(key, {}))] for run in runs)
        found.append(
            Disagreement(
                query,
                rank_biased_overlap(first, second),
                a.scores[key][PRIMARY],
                b.scores[key][PRIMARY],
                traits_of(query, frequencies, len(collection.documents)),
                moved_most(first, second, collection.qrels.get(key, {})),
            )
        )
    found.sort(key=lambda one: (one.rbo, one.query.query_id))
    marks = {result.retriever: result.marks for result in (a, b)}
    return Disagreements(a.task, a.retriever, b.retriever, tuple(found), marks)


def moved_most(first: Sequence[str], second: Sequence[str], grades: Mapping[str, int]) -> tuple[Moved, ...]:
    """The documents whose weight in rank-biased overlap, p ** (rank - 1), differs most, largest first."""
    ranks_a = {doc_id: rank for rank, doc_id in enumerate(first, start=1)}
    ranks_b = {doc_id: rank for rank, doc_id in enumerate(second, start=1)}
    looked_at = dict.fromkeys([*first[:LOOKED_AT], *second[:LOOKED_AT]])
    moved = [
        Moved(doc_id, ranks_a.get(doc_id), ranks_b.get(doc_id), grades.get(doc_id))
        for doc_id in looked_at
        if ranks_a.get(doc_id) != ranks_b.get(doc_id)
    ]
    moved.sort(key=lambda one: (-abs(_weight(one.rank_a) - _weight(one.rank_b)), one.doc_id))
    return tuple(moved[:MOVED])


def _weight(rank: int | None) -> float:
    return 0.0 if rank is None else PERSISTENCE ** (rank - 1)


def _group_of(traits: QueryTraits, split: Split, middle: float) -> str:
    match split:
        case Split.KIND:
            return traits.kind
        case Split.LENGTH:
            return traits.length
        case Split.RARE:
            return "of rarer words" if traits.rarity > middle else "of commoner words"
        case Split.NEGATION:
            return "with negation" if traits.negation else "without negation"


def _group(split: Split, name: str, found: Sequence[Disagreement]) -> QueryGroup:
    differences = [one.difference for one in found]
    return QueryGroup(
        split,
        name,
        len(found),
        fmean(one.rbo for one in found),
        fmean(one.a for one in found),
        fmean(one.b for one in found),
        fmean(differences),
        bootstrap_interval(differences) if len(found) >= FEWEST else None,
    )
