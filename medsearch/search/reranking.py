"""Late interaction: ranking by MaxSim over token vectors, of all passages or of those that another found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medsearch.errors import IndexRefusedError
from medsearch.index.reader import IndexReader, Point
from medsearch.protocols import TokenEncoder
from medsearch.search.names import RetrieverName
from medsearch.search.retrievers import HybridRetriever, PointRetriever, as_run, in_order, roll_up
from medsearch.types import Filter, ModelSpec, Query, Run, Vectors

RERANK_DEPTH = 100
"""Documents that are reranked: fixed, so that asking for a few more hits never reorders the first."""


@dataclass(frozen=True, slots=True)
class TokenRetriever:
    """Ranks by MaxSim of a model's token vectors, always exactly: each vector of each passage is compared."""

    reader: IndexReader
    encoder: TokenEncoder

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents, best first, each with its best passage."""
        return [self._best(vectors, k, where) for vectors in self.encoder.encode_queries(texts)]

    def _best(self, vectors: Vectors, k: int, where: Filter | None) -> list[Point]:
        def fetch(count: int) -> list[Point]:
            return self.reader.search_tokens(self.encoder.spec, vectors, k=count, where=where)

        return roll_up(fetch, k, self.reader.whole_documents)

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        return as_run(self, queries, k, where)


@dataclass(frozen=True, slots=True)
class RerankRetriever:
    """Puts the best `RERANK_DEPTH` documents of `first` in the order of MaxSim under `late`.

    Each is judged by the passage that `first` found, which in an index of passages need not be the document's
    best under `late`. Those below keep the order of `first` behind all that were reranked, so that Recall@100
    is that of `first`; their scores only say so. `late` may be over an index of its own, which must be of the
    same passages.
    """

    first: PointRetriever
    late: TokenRetriever

    def points(self, texts: Sequence[str], *, k: int, where: Filter | None = None) -> list[list[Point]]:
        """For each text the best `k` documents, best first, each with its passage.

        Raises:
            IndexRefusedError: if the two indexes are not of the same passages.
        """
        rankings = self.first.points(texts, k=max(k, RERANK_DEPTH), where=where)
        queries = self.late.encoder.encode_queries(texts)
        return [
            self._rerank(vectors, ranking)[:k] for vectors, ranking in zip(queries, rankings, strict=True)
        ]

    def _rerank(self, vectors: Vectors, ranking: Sequence[Point]) -> list[Point]:
        head, tail = ranking[:RERANK_DEPTH], ranking[RERANK_DEPTH:]
        wanted = {point.number: point.doc_id for point in head}
        found = self.late.reader.search_tokens(
            self.late.encoder.spec, vectors, k=len(wanted), among=wanted.keys()
        )
        if {point.number: point.doc_id for point in found} != wanted:
            raise IndexRefusedError(
                f"{self.late.reader.folder} does not hold the passages that are to be reranked: delete"
                " that folder and run the same command again, which makes it from the same corpus"
            )
        lowest = min((point.score for point in found), default=0.0)
        behind = [point._replace(score=lowest - place) for place, point in enumerate(tail, start=1)]
        return [*in_order(found), *behind]

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        """The same as a run."""
        return as_run(self, queries, k, where)


def assemble(name: RetrieverName, part: Callable[[ModelSpec], PointRetriever]) -> PointRetriever:
    """The retriever of this name from those of its models, which `part` opens."""
    if name.first is not None:
        late = part(name.models[0])
        assert isinstance(late, TokenRetriever)  # names.py lets nothing else rerank
        return RerankRetriever(assemble(name.first, part), late)
    parts = tuple(part(spec) for spec in name.models)
    return HybridRetriever(parts) if name.hybrid else parts[0]
