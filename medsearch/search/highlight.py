"""Which words of a passage a query shares, as BM25 sees them."""

from __future__ import annotations

import re

from medsearch.index.bm25 import Bm25Encoder
from medsearch.types import ModelSpec

_WORD = re.compile(r"[^\W_]+")


def matched_spans(query: str, text: str, spec: ModelSpec) -> list[tuple[int, int]]:
    """Character spans of the words of `text` that share a stem with a word of `query`, in order.

    Words are compared by the tokens of the BM25 spec itself, so that what is marked is exactly what
    BM25 counts; stop words are never marked.
    """
    encoder = Bm25Encoder(spec, 1.0)
    wanted = encoder.tokens(query)
    if not wanted:
        return []
    known: dict[str, bool] = {}
    spans = []
    for word in _WORD.finditer(text):
        lowered = word.group().lower()
        if lowered not in known:
            known[lowered] = bool(encoder.tokens(lowered) & wanted)
        if known[lowered]:
            spans.append(word.span())
    return spans
