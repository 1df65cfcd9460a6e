"""How much of what a text is about hangs on each of its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.overlap.normalise import EMPTY_WORDS, FUNCTION_WORDS
from medsearch.evaluation.overlap.words import Hashes, Words, distinct_pairs

_NUMERALS = 10_000


@dataclass(frozen=True, slots=True)
class WordWeights:
    """Inverse document frequency ln(1 + N / n) of words over `texts` texts; function words weigh nothing.

    A word of none of these texts weighs as much as one of a single text.
    """

    words: Hashes
    weights: NDArray[np.float64]
    texts: int
    function_words: Hashes
    empty_words: Hashes
    numerals: frozenset[int]

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The weights over these texts."""
        _, hashes = distinct_pairs(texts.rows, texts.hashes)
        words, counts = np.unique(hashes, return_counts=True)
        numerals = [str(number) for number in range(_NUMERALS)]
        light, empty, numbers = (
            Words.of([list(some)]).hashes for some in (FUNCTION_WORDS, EMPTY_WORDS, numerals)
        )
        weights = np.log1p(len(texts) / counts)
        return cls(words, weights, len(texts), np.sort(light), empty, frozenset(numbers.tolist()))

    def total(self, words: Hashes) -> float:
        """The weight of these words together."""
        if not len(self.words):
            return 0.0
        places = np.minimum(np.searchsorted(self.words, words), len(self.words) - 1)
        known = self.words[places] == words
        weights = np.where(known, self.weights[places], np.log1p(self.texts))
        return float(weights[~self.is_function_word(words)].sum())

    def is_function_word(self, words: Hashes) -> NDArray[np.bool_]:
        """Which of these are function words."""
        places = np.minimum(np.searchsorted(self.function_words, words), len(self.function_words) - 1)
        found: NDArray[np.bool_] = self.function_words[places] == words
        return found

    def has_number(self, words: Hashes) -> bool:
        """Whether one of these is a whole number below ten thousand."""
        return not self.numerals.isdisjoint(words.tolist())
