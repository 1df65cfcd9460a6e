"""What can be seen of a query alone: its length, masks, repeated words, and words about the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.filters.words import Text

_ALPHANUMERIC = re.compile(r"\w")


def form(query: str, read: Text, boilerplate: Sequence[str]) -> dict[str, float]:
    """Measure a query's form.

    Returns:
        `words`: parts between white space that hold a letter or digit; a mask such as "[NAME]" is one.
        `content_words`: distinct words that are not stop words or masks.
        `mask_share`: masks, of masks and words.
        `distinct_share`: distinct words, of words; 1 without words.
        `boilerplate`: how many of the phrases stand in the query as whole words.
    """
    spoken = f" {' '.join(read.words)} "
    return {
        "words": sum(bool(_ALPHANUMERIC.search(part)) for part in query.split()),
        "content_words": len(set(read.terms)),
        "mask_share": read.masks / max(read.masks + len(read.words), 1),
        "distinct_share": len(set(read.words)) / len(read.words) if read.words else 1.0,
        "boilerplate": sum(f" {phrase} " in spoken for phrase in boilerplate),
    }
