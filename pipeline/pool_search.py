"""Exact search over the passages of a run: by vectors, by words, and both fused as the product does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medsearch.corpora.catalogue import CorpusFormat, CorpusLocation
from medsearch.encoders.registry import find_model, load_encoder, load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.index.reader import open_index
from medsearch.protocols import Encoder, Progress
from medsearch.ranking import ranked
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.fusion import reciprocal_rank_fusion
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import BM25
from medsearch.search.retrievers import FUSION_DEPTH, Bm25Retriever
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelKind, ModelSpec, Vectors
from pipeline.pool import PoolPassage, read_pool
from pipeline.pool_vectors import pool_vectors
from pipeline.run_folder import RunFolder

_DECIMALS = 6
"""Scores are rounded so: the last bits of a float32 sum depend on how many queries are asked at once."""

_SPARE = 16
"""How many more than wanted are fetched first: equal scores at the end are then cut by id, not by chance."""


@dataclass(frozen=True, slots=True)
class Found:
    """One found passage: `number` is its row in the pool; `score` is comparable within one ranking only."""

    number: int
    score: float


@dataclass(frozen=True, slots=True)
class PoolSearch:
    """A run's pool, ready to be searched. Use `open_pool_search` to get one.

    Every ranking is best first; equal scores rank as trec_eval ranks them, the greater passage id first.
    `words` gives the BM25 retriever; its index is made at the first search that needs it.
    """

    passages: Sequence[PoolPassage]
    encoder: Encoder
    words: Callable[[], Bm25Retriever]
    matrix: Vectors
    number_of: dict[str, int]

    def dense(self, queries: Sequence[str], k: int) -> list[list[Found]]:
        """The `k` passages with the highest dot product for each query, compared with every passage."""
        return self.nearest(self.query_vectors(queries), k)

    def nearest(self, vectors: Vectors, k: int) -> list[list[Found]]:
        """As `dense`, for query vectors of shape (n, dim)."""
        import faiss

        if not len(vectors):
            return []
        wanted = k + _SPARE
        while True:
            depth = min(wanted, len(self.passages))
            scores, numbers = faiss.knn(vectors, self.matrix, depth, metric=faiss.METRIC_INNER_PRODUCT)
            if depth == len(self.passages) or not np.any(_tied(scores, k)):
                return [self._rescored(v, row, k) for v, row in zip(vectors, numbers, strict=True)]
            wanted *= 4

    def lexical(self, queries: Sequence[str], k: int) -> list[list[Found]]:
        """The `k` passages with the highest BM25 score for each query; fewer where fewer share a word."""
        return [self._by_words(query, k) for query in queries]

    def hybrid(self, queries: Sequence[str], k: int) -> list[list[Found]]:
        """The first `k` of both rankings fused by reciprocal rank, as deep as the product fuses them."""
        return self.fused(self.dense(queries, FUSION_DEPTH), self.lexical(queries, FUSION_DEPTH), k)

    def fused(
        self, dense: Sequence[Sequence[Found]], lexical: Sequence[Sequence[Found]], k: int
    ) -> list[list[Found]]:
        """As `hybrid`, of rankings made before; what stands below the depth that it fuses does not count."""
        rankings = zip(dense, lexical, strict=True)
        return [self._fused([found[:FUSION_DEPTH] for found in each], k) for each in rankings]

    def vectors(self, numbers: Sequence[int]) -> Vectors:
        """Vectors of these passages, shape (len(numbers), dim)."""
        return self.matrix[np.asarray(numbers, dtype=np.int64)]

    def query_vectors(self, queries: Sequence[str]) -> Vectors:
        """Vectors of queries, each behind the model's query prompt; shape (len(queries), dim)."""
        return np.ascontiguousarray(self.encoder.encode_queries(list(queries)), dtype=np.float32)

    def scores(self, vector: Vectors, numbers: Sequence[int]) -> list[float]:
        """Dot products of a query vector, shape (dim,), with these passages; rounded as in every ranking."""
        if not len(numbers):
            return []
        exact = self.vectors(numbers).astype(np.float64) @ vector.astype(np.float64)
        # Adding zero turns -0.0, which some builds of numpy round to, into 0.0.
        return [float(score) + 0.0 for score in np.round(exact, _DECIMALS)]

    def _rescored(self, vector: Vectors, numbers: Sequence[int], k: int) -> list[Found]:
        scores = self.scores(vector, numbers)
        by_id = {
            self.passages[number].passage_id: score for number, score in zip(numbers, scores, strict=True)
        }
        return self._found(by_id, k)

    def _by_words(self, query: str, k: int) -> list[Found]:
        wanted = k + _SPARE
        while True:
            [points] = self.words().points([query], k=wanted)
            if len(points) < wanted or points[k - 1].score > points[-1].score:
                scores = {point.doc_id: point.score for point in points}
                return self._found(scores, k)
            wanted *= 4

    def _fused(self, rankings: Sequence[Sequence[Found]], k: int) -> list[Found]:
        runs = [{"": {self.passages[f.number].passage_id: f.score for f in found}} for found in rankings]
        return self._found(reciprocal_rank_fusion(runs).get("", {}), k)

    def _found(self, scores: dict[str, float], k: int) -> list[Found]:
        return [Found(self.number_of[passage_id], score) for passage_id, score in ranked(scores)[:k]]


def open_pool_search(run: RunFolder, base_model: str, settings: Settings, progress: Progress) -> PoolSearch:
    """Make a run's pool searchable: its vectors are made where the cache has none, as is its BM25 index.

    Raises:
        MedsearchError: the pool is missing, empty or damaged, or another process is encoding it.
        UsageError: the base model is not a dense model of the registry.
        ModelUnavailableError: its weights are not on this machine.
    """
    registry = load_registry(settings.models, cache=settings.cache)
    spec = find_model(base_model, registry)
    if spec.kind is not ModelKind.DENSE:
        raise UsageError(f"base_model must name a dense model; {base_model} is {spec.kind}")
    passages = read_pool(run)
    number_of = _numbers(run, passages)
    encoder = load_encoder(spec, cache=settings.cache)
    matrix = pool_vectors(run, passages, encoder, settings.cache, progress)
    words = cache(lambda: _open_words(run, registry, settings, progress))
    return PoolSearch(passages, encoder, words, matrix, number_of)


def _open_words(
    run: RunFolder, registry: Mapping[str, ModelSpec], settings: Settings, progress: Progress
) -> Bm25Retriever:
    location = CorpusLocation(f"pool of {run.name}", run.pool, CorpusFormat.BEIR)
    bm25 = find_model(BM25, registry)
    request = IndexRequest(location, (bm25,), WHOLE_DOCUMENTS)
    folder, _ = evaluation_index(request, settings, registry, progress)
    return Bm25Retriever(open_index(folder), bm25)


def _numbers(run: RunFolder, passages: Sequence[PoolPassage]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, passage in enumerate(passages):
        if numbers.setdefault(passage.passage_id, number) != number:
            raise MedsearchError(
                f"{run.pool_file}:{number + 1} repeats the passage id {passage.passage_id!r}: "
                "make this run's pool anew"
            )
    if not numbers:
        raise MedsearchError(f"{run.pool_file} holds no passage: make this run's pool anew")
    return numbers


def _tied(scores: Vectors, k: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows are cut off among scores equal to the k-th, as far as rounding tells; scores (n, depth)."""
    tied: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
        scores[:, k - 1] - scores[:, -1] < 2 * 10.0**-_DECIMALS
    )
    return tied
