"""Whether a query was asked, or lifted from the passage or from the prompt's examples."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from math import ceil

from pipeline.filters.words import Text

_WINDOW = 1.5
"""How much longer than the query's own a stretch of the passage may be in which its words stand in order."""


def copied_share(query: Text, passage: Text, *, min_words: int) -> float:
    """How much of a query stands in the passage in the same order: 0 (nothing) to 1 (a copy).

    The greater of two shares. Of all the query's words: the longest run that the passage has too, word for
    word. Of its content words: the longest sequence that comes in the same order, possibly with gaps, within
    one stretch of the passage that has at most 1.5 times as many content words.

    Fewer than `min_words` of either are never a copy: "acute chest pain" is what a person types, whether or
    not the passage says it so, and "What is acute myeloid leukaemia?" has to name its subject.
    """
    best = 0.0
    if len(query.words) >= min_words:
        matcher = SequenceMatcher(None, query.words, passage.words, autojunk=False)
        best = matcher.find_longest_match().size / max(len(query.words), 1)
    if len(query.terms) >= min_words:
        best = max(best, _in_order(query.terms, passage.terms))
    return best


def _in_order(query: Sequence[str], passage: Sequence[str]) -> float:
    from rapidfuzz.distance import LCSseq

    if not query:
        return 0.0
    width = ceil(_WINDOW * len(query))
    starts = range(max(len(passage) - width, 0) + 1)
    return max(LCSseq.similarity(query, passage[start : start + width]) for start in starts) / len(query)


def example_similarity(query: Text, passage: Text, examples: Sequence[Text]) -> float:
    """How much of a query comes from the prompt's own examples: 0 (nothing) to 1.

    For each example, the greater of two numbers; then the greatest of all examples. The Jaccard similarity
    of the content words of both: an example's query said again, or nearly. And of the query's content words,
    the share that the example has and the passage has not: an example's subject brought into another note.
    A query on what both the example and the passage speak of is thus not a leak unless it is the example's.
    """
    mine, here = set(query.terms), set(passage.terms)
    if not mine:
        return 0.0
    best = 0.0
    for example in examples:
        theirs = set(example.terms)
        foreign = len((mine & theirs) - here) / len(mine)
        best = max(best, foreign, len(mine & theirs) / len(mine | theirs))
    return best
