"""BM25 as a teacher: scores of texts by words, with the document frequencies of the training texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log1p

import numpy as np
from numpy.typing import NDArray

from medsearch.index.bm25 import Bm25Encoder, average_length
from medsearch.types import ModelSpec

Scores = NDArray[np.float32]


class TermScores:
    """BM25 (Robertson & Zaragoza 2009) over some texts, by the engine's own tokens and weights."""

    def __init__(self, texts: Sequence[str], spec: ModelSpec) -> None:
        distinct = list(dict.fromkeys(texts))
        self._encoder = Bm25Encoder(spec, average_length(distinct, spec))
        self._k1 = float(spec.parameters["k1"])
        self._weights: dict[str, dict[int, float]] = {}
        counts: Counter[int] = Counter()
        for text in distinct:
            counts.update(self._document(text).keys())
        total = len(distinct)
        self._idf = {term: log1p((total - found + 0.5) / (found + 0.5)) for term, found in counts.items()}
        self._unseen = log1p((total + 0.5) / 0.5)

    def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]], /) -> Scores:
        """BM25 of each query's own documents, as many for each; shape (queries, documents)."""
        rows = []
        for query, own in zip(queries, documents, strict=True):
            terms = [
                (term, self._idf.get(term, self._unseen)) for term in sorted(self._encoder.tokens(query))
            ]
            rows.append(
                [sum(idf * self._document(text).get(term, 0.0) for term, idf in terms) for text in own]
            )
        return np.asarray(rows, dtype=np.float32)

    def limits(self, queries: Sequence[str]) -> Scores:
        """What each query could score at most: each of its words without end; shape (queries,)."""
        return np.asarray(
            [
                (self._k1 + 1)
                * sum(self._idf.get(term, self._unseen) for term in sorted(self._encoder.tokens(query)))
                for query in queries
            ],
            dtype=np.float32,
        )

    def _document(self, text: str) -> dict[int, float]:
        weights = self._weights.get(text)
        if weights is None:
            found = self._encoder.document(text)
            weights = self._weights[text] = dict(zip(found.indices, found.values, strict=True))
        return weights
