"""The one order of a ranking: best score first, and ties as trec_eval breaks them."""

from __future__ import annotations

from collections.abc import Mapping


def ranked(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """(doc_id, score) pairs, best first; of equal scores the greater document id comes first.

    Source: trec_eval 9, which sorts by score and then by document number, both descending.
    """
    return sorted(((doc_id, score) for doc_id, score in scores.items()), key=_descending, reverse=True)


def _descending(pair: tuple[str, float]) -> tuple[float, str]:
    return pair[1], pair[0]
