"""Whether the passage holds the words of a query: a cheap sign that it answers it and nothing is made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.filters.words import Text


@dataclass(frozen=True, slots=True)
class Rarity:
    """Which words are rare in a pool: those in at most `limit` of its passages, and every number."""

    passages_with: Counter[str]
    limit: float

    @classmethod
    def of(cls, pool: Iterable[Text], share: float) -> Rarity:
        """Count the passages that have each word; a rare one is in at most `share` (0 to 1) of them."""
        counts: Counter[str] = Counter()
        passages = 0
        for text in pool:
            counts.update(set(text.terms))
            passages += 1
        return cls(counts, share * passages)

    def rare(self, term: str) -> bool:
        """Whether the word says something particular: a drug, a disease, an age."""
        return term[0].isdigit() or self.passages_with[term] <= self.limit


def support(query: Text, passage: Text, rarity: Rarity) -> dict[str, float]:
    """Measure what a passage holds of a query's words.

    Returns:
        `lexical_support`: of its distinct content words, the share that the passage has; 0 without any.
        `rare_words`: how many of them are rare.
        `ungrounded`: of the rare ones, the share that the passage has not; 0 without any.
    """
    mine, here = set(query.terms), set(passage.terms)
    rare = {term for term in mine if rarity.rare(term)}
    return {
        "lexical_support": len(mine & here) / len(mine) if mine else 0.0,
        "rare_words": len(rare),
        "ungrounded": len(rare - here) / len(rare) if rare else 0.0,
    }
