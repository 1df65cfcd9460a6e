"""How alike two rankings are, the top counting most: rank-biased overlap, extrapolated.

Source: Webber, Moffat & Zobel, "A Similarity Measure for Indefinite Rankings", ACM TOIS 28(4), 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.errors import UsageError

PERSISTENCE = 0.9
"""As the paper has it for search results: the first ten ranks have 86 % of the weight (its equation 21)."""


def rank_biased_overlap(first: Sequence[str], second: Sequence[str], *, p: float = PERSISTENCE) -> float:
    """RBO_ext of two rankings of distinct ids, best first: 1 for equal ones, 0 where they share nothing.

    The lists may differ in length; beyond what they have, agreement is taken to go on as seen (the paper's
    equation 32). Ties are for the caller to order. Two empty rankings are alike, an empty and another not.

    Raises:
        UsageError: if `p` is not between 0 and 1, both excluded, or an id comes twice in a ranking.
    """
    if not 0.0 < p < 1.0:
        raise UsageError(f"the persistence p of rank-biased overlap is {p}; it must lie between 0 and 1")
    for ranking in (first, second):
        if len(set(ranking)) != len(ranking):
            raise UsageError("a ranking has the same id twice; rank-biased overlap needs distinct ids")
    short, long = sorted((first, second), key=len)
    if not short:
        return 0.0 if long else 1.0
    overlaps = _overlaps(short, long)
    at_short, at_end = overlaps[len(short) - 1], overlaps[-1]
    weighted = 0.0
    for depth, overlap in enumerate(overlaps, start=1):
        # Below the end of the shorter list, it is taken to agree as well as it did down to there.
        unseen = at_short * max(depth - len(short), 0) / len(short)
        weighted += (overlap + unseen) / depth * p**depth
    agreement_at_end = (at_end - at_short) / len(long) + at_short / len(short)
    return (1 - p) / p * weighted + agreement_at_end * p ** len(long)


def _overlaps(short: Sequence[str], long: Sequence[str]) -> list[int]:
    """At each depth of the longer list, how many ids both have down to there."""
    seen_short: set[str] = set()
    seen_long: set[str] = set()
    overlap = 0
    counts = []
    for rank, doc_id in enumerate(long):
        seen_long.add(doc_id)
        overlap += doc_id in seen_short
        if rank < len(short):
            seen_short.add(short[rank])
            overlap += short[rank] in seen_long
        counts.append(overlap)
    return counts
