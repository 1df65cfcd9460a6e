"""BM25 by Qdrant's own tokeniser: sparse weights for texts, and the words that two texts share.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The engine
multiplies the weights by the inverse document frequency when it searches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medsearch.errors import UsageError
from medsearch.types import ModelSpec

if TYPE_CHECKING:
    from qdrant_edge import Bm25, SparseVector


@dataclass(frozen=True, slots=True)
class Bm25Encoder:
    """Weights of texts under one BM25 spec; `average_length` is the corpus's, in tokens."""

    spec: ModelSpec
    average_length: float
    _weights: Bm25 = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", _model(self.spec, self.average_length))

    def document(self, text: str) -> SparseVector:
        """Term-frequency weights, saturated by k1 and normalised for length by b."""
        return self._weights.embed_document(text)

    def query(self, text: str) -> SparseVector:
        """Weight 1 for each distinct token."""
        return self._weights.embed_query(text)

    def tokens(self, text: str) -> frozenset[int]:
        """The distinct tokens of `text`, as the engine's hashes; stop words have none."""
        return frozenset(self._weights.embed_query(text).indices)


def average_length(texts: Iterable[str], spec: ModelSpec) -> float:
    """Mean number of BM25 tokens a text; 1.0 for no texts.

    The engine does not say how many tokens it saw, but with b = 0 and k1 = 1 a weight is
    2 tf / (tf + 1), from which the term frequency tf follows.
    """
    model = _model(spec, 1.0, k1=1.0, b=0.0)
    total, count = 0.0, 0
    for text in texts:
        total += sum(weight / (2.0 - weight) for weight in model.embed_document(text).values)
        count += 1
    return max(round(total / count, 3), 1.0) if count else 1.0


def _model(spec: ModelSpec, length: float, *, k1: float | None = None, b: float | None = None) -> Bm25:
    from qdrant_edge import Bm25, Bm25Config

    try:
        return Bm25(
            Bm25Config(
                k=float(spec.parameters["k1"]) if k1 is None else k1,
                b=float(spec.parameters["b"]) if b is None else b,
                avg_len=length,
                language=str(spec.parameters["language"]),
            )
        )
    except ValueError as error:
        raise UsageError(f"model {spec.name!r}: the engine refuses its parameters ({error})") from error
