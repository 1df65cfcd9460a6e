"""Retrievers over an index: dense, BM25 and their fusion; the best passage stands for its document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from medsearch.index.reader import IndexReader, Point
from medsearch.protocols import Encoder
from medsearch.ranking import ranked
from medsearch.search.fusion import reciprocal_rank_fusion
from medsearch.types import Filter, ModelSpec, PassageHit, Query, Run, Vectors

FUSION_DEPTH = 100
"""Documents of each ranking that are fused: fixed, so that asking for more hits never reorders the first."""

_PASSAGES_A_DOCUMENT = 3
"""First guess at how many passages to fetch for each document wanted; doubled while it falls short."""


class PointRetriever(Protocol):
    """A retriever that also tells which passage stands for each document."""

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents, best first, each with its best passage."""
        ...

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        ...


@dataclass(frozen=True, slots=True)
class DenseRetriever:
    """Ranks by the dot product of a model's vectors; `exact` compares with every vector."""

    reader: IndexReader
    encoder: Encoder
    exact: bool = False

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents, best first, each with its best passage."""
        return [self._best(vector, k, where) for vector in self.encoder.encode_queries(texts)]

    def _best(self, vector: Vectors, k: int, where: Filter | None) -> list[Point]:
        def fetch(count: int) -> list[Point]:
            return self.reader.search_dense(self.encoder.spec, vector, k=count, where=where, exact=self.exact)

        return roll_up(fetch, k, self.reader.whole_documents)

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        return as_run(self, queries, k, where)


@dataclass(frozen=True, slots=True)
class Bm25Retriever:
    """Ranks by BM25, always exactly."""

    reader: IndexReader
    spec: ModelSpec

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents that share a word with it, best first."""
        return [self._best(text, k, where) for text in texts]

    def _best(self, text: str, k: int, where: Filter | None) -> list[Point]:
        def fetch(count: int) -> list[Point]:
            return self.reader.search_bm25(self.spec, text, k=count, where=where)

        return roll_up(fetch, k, self.reader.whole_documents)

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        return as_run(self, queries, k, where)


@dataclass(frozen=True, slots=True)
class HybridRetriever:
    """Fuses retrievers by reciprocal rank; a document's passage is that of the first which found it."""

    parts: tuple[PointRetriever, ...]

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents by the sum of their reciprocal ranks."""
        rankings = [part.points(texts, k=FUSION_DEPTH, where=where) for part in self.parts]
        return [_fuse(ranking, k) for ranking in zip(*rankings, strict=True)]

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        return as_run(self, queries, k, where)


def roll_up(fetch: Callable[[int], list[Point]], k: int, whole_documents: bool) -> list[Point]:
    """The best passage of each of the best `k` documents; `fetch(n)` gives the best n passages."""
    wanted = k if whole_documents else k * _PASSAGES_A_DOCUMENT
    while True:
        points = fetch(wanted)
        best: dict[str, Point] = {}
        for point in points:
            best.setdefault(point.doc_id, point)
        if len(best) >= k or len(points) < wanted:
            return in_order(best.values())[:k]
        wanted *= 2


def search_passages(
    retriever: PointRetriever, reader: IndexReader, text: str, *, k: int, where: Filter | None = None
) -> list[PassageHit]:
    """The best `k` documents for `text`, each as its best passage with all that is known of it."""
    [points] = retriever.points([text], k=k, where=where)
    passages = reader.passages([point.number for point in points])
    return [PassageHit(passage, point.score) for passage, point in zip(passages, points, strict=True)]


def _fuse(rankings: Sequence[Sequence[Point]], k: int) -> list[Point]:
    found: dict[str, Point] = {}
    for ranking in rankings:
        for point in ranking:
            found.setdefault(point.doc_id, point)
    fused = reciprocal_rank_fusion([{"": {p.doc_id: p.score for p in ranking}} for ranking in rankings])
    return [found[doc_id]._replace(score=score) for doc_id, score in ranked(fused.get("", {}))[:k]]


def in_order(points: Iterable[Point]) -> list[Point]:
    """Best first; of equal scores the greater document id, as trec_eval ranks them."""
    return sorted(points, key=lambda point: (point.score, point.doc_id), reverse=True)


def as_run(retriever: PointRetriever, queries: Sequence[Query], k: int, where: Filter | None) -> Run:
    """What a retriever finds for each query, as a run."""
    rankings = retriever.points([query.text for query in queries], k=k, where=where)
    return {
        query.query_id: {point.doc_id: point.score for point in ranking}
        for query, ranking in zip(queries, rankings, strict=True)
    }
