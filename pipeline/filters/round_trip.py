"""Whether a query finds its own passage again among all passages of the pool."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.pool_search import Found, PoolSearch

DEPTH = 100
"""How deep rankings are looked at; a passage that is not there has rank DEPTH + 1."""


def round_trips(search: PoolSearch, queries: Sequence[str], own: Sequence[int]) -> list[dict[str, float]]:
    """Search with each query; `own` are the rows of the pool that hold their answers.

    Other passages of the same document do not count: they neither push the own passage down nor stand for it.

    Returns:
        For each query: `hybrid_rank`, `dense_rank` and `bm25_rank` of the own passage, from 1 to DEPTH + 1;
        `dense_support`, the cosine of query and own passage; and `dense_margin`, by how much that is above
        the cosine of the best passage of another document (if the first DEPTH hold none, of the last one).
    """
    vectors = search.query_vectors(queries)
    dense = search.nearest(vectors, DEPTH)
    words = search.lexical(queries, DEPTH)
    fused = search.fused(dense, words, DEPTH)
    measured = []
    for row, number in enumerate(own):
        cosine = search.scores(vectors[row], [number])[0]
        measured.append(
            {
                "bm25_rank": float(_rank(search, words[row], number)),
                "dense_rank": float(_rank(search, dense[row], number)),
                "hybrid_rank": float(_rank(search, fused[row], number)),
                "dense_support": cosine,
                "dense_margin": round(cosine - _best_other(search, dense[row], number), 6),
            }
        )
    return measured


def _rank(search: PoolSearch, found: Sequence[Found], own: int) -> int:
    rank = 1
    for each in found:
        if each.number == own:
            return rank
        rank += not _same_document(search, each.number, own)
    return DEPTH + 1


def _best_other(search: PoolSearch, found: Sequence[Found], own: int) -> float:
    others = (each.score for each in found if not _same_document(search, each.number, own))
    return next(others, found[-1].score)


def _same_document(search: PoolSearch, one: int, other: int) -> bool:
    a, b = search.passages[one].source, search.passages[other].source
    return (a.corpus, a.doc_id) == (b.corpus, b.doc_id)
