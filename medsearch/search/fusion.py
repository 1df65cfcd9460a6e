"""Fuses rankings by rank alone, so that scores of different kinds need not be comparable."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.ranking import ranked
from medsearch.types import Run

RRF_K = 60
"""Cormack et al.'s value; a smaller one trusts the top of each ranking more."""


def reciprocal_rank_fusion(runs: Sequence[Run], *, k: int = RRF_K) -> dict[str, dict[str, float]]:
    """Fuse runs by summed reciprocal ranks, sum of 1 / (k + rank) with rank from 1.

    A document that a run does not have adds nothing for it. Equal scores within a run rank as trec_eval
    ranks them: the greater document id first.

    Source: Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods", SIGIR 2009.
    """
    fused: dict[str, dict[str, float]] = {}
    for run in runs:
        for query_id, scores in run.items():
            sums = fused.setdefault(query_id, {})
            for rank, (doc_id, _) in enumerate(ranked(scores), start=1):
                sums[doc_id] = sums.get(doc_id, 0.0) + 1.0 / (k + rank)
    return fused
