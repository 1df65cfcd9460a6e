"""Fewer token vectors a document: near ones are merged, so that a multivector index shrinks."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from medsearch.errors import ModelUnavailableError
from medsearch.types import Vectors

_PROTECTED = 1  # the first vector, of [CLS], is never merged
_NO_DIRECTION = 1e-6  # of a sum of vectors of length 1: below it there is rounding alone


def pool_tokens(vectors: Vectors, factor: float) -> Vectors:
    """Cluster a document's token vectors (tokens, dim) and keep each cluster's mean, of length 1 again.

    About one in `factor` vectors is left; 1 merges none. Ward's linkage on cosine distances; the first vector
    stays as it is, first, and the means follow in no order of the text. The same as
    `sentence_transformers`' HierarchicalTokenPooling, without torch; but where a cluster's mean is 0, which
    has no direction, its first vector is kept.

    Source: Clavié, Chaffin & Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal
    Performance Impact via Token Pooling", 2024 (arXiv:2409.14683).
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    kept, rest = vectors[:_PROTECTED], vectors[_PROTECTED:]
    clusters = max(int(len(rest) // factor), 1)
    if clusters >= len(rest):
        return vectors
    distances = np.clip(1.0 - rest @ rest.T, 0.0, 2.0)
    tree = linkage(squareform(distances, checks=False), method="ward")
    labels = fcluster(tree, t=clusters, criterion="maxclust")
    # Ties may give fewer clusters than were asked for.
    _, places = np.unique(labels, return_inverse=True)
    sums = np.zeros((places.max() + 1, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, places, rest)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # Vectors that cancel each other out have no mean direction: their first one stands for all.
    opposed = lengths[:, 0] < _NO_DIRECTION
    firsts = np.unique(places, return_index=True)[1]
    sums[opposed], lengths[opposed] = rest[firsts[opposed]], 1.0
    pooled: Vectors = np.concatenate([kept, sums / lengths])
    return pooled.astype(np.float32)


def check_pooling(name: str, factor: float) -> None:
    """Make sure that what pooling needs is installed.

    Raises:
        ModelUnavailableError: scipy is not, and `factor` is above 1.
    """
    if factor > 1 and find_spec("scipy") is None:
        raise ModelUnavailableError(
            f"model {name!r}: its token_pooling needs scipy; run `pip install 'medsearch[evaluate]'`"
        )
