"""Makes a query out of one sentence of a window, without any language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

from pipeline.cropping.windows import Window
from pipeline.filters.words import Words, without_masks
from pipeline.recipe import CropTable

FEW_WORDS = "fewer than 2 content words"
COMMON_WORDS = "common words only"

_LEAST_LEFT = 3
"""Sentences that a window must still have when the query's own is taken out."""


@dataclass(frozen=True, slots=True)
class Cropped:
    """A query with the window that it is about.

    `span` says that it is a sentence's own words one after the other, `taken_out` that this sentence is
    not in `window`. `fault` is why the pair is of no use; empty where it is of use.
    """

    query: str
    window: Window
    span: bool
    taken_out: bool
    fault: str = ""


def document_frequencies(texts: Iterable[str], words: Words) -> Counter[str]:
    """In how many of the texts each term stands."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(words.read(text).terms))
    return counts


@dataclass(frozen=True, slots=True)
class Asker:
    """What queries are made with; `frequencies` counts a term's documents, of `documents` in all."""

    table: CropTable
    words: Words
    frequencies: Mapping[str, int]
    documents: int

    def ask(self, window: Window, chance: Random) -> Cropped:
        """A query about one sentence of the window, which `chance` chooses with the query's sort and size."""
        place = chance.randrange(len(window))
        sentence = without_masks(window[place].text)
        if chance.random() >= self.table.span_share:
            query = self._rarest(sentence, chance.randint(*self.table.words))
            return Cropped(query, window, span=False, taken_out=False, fault=self._fault(query))
        query = _span(sentence, chance.randint(*self.table.span), chance)
        left = (*window[:place], *window[place + 1 :])
        taken_out = len(left) >= _LEAST_LEFT and chance.random() >= self.table.keep_sentence
        shown = left if taken_out else window
        return Cropped(query, shown, span=True, taken_out=taken_out, fault=self._fault(query))

    def _rarest(self, sentence: str, count: int) -> str:
        """The `count` content words in the fewest documents, in the sentence's order; numbers are none."""
        places: dict[str, tuple[int, str]] = {}
        for place, word in enumerate(self.words.read(sentence).words):
            for term in self.words.read(word).terms:
                if word[0].isalpha() and len(word) > 1:
                    places.setdefault(term, (place, word))
        rarest = sorted(places, key=lambda term: (self.frequencies.get(term, 0), places[term][0]))[:count]
        return " ".join(word for _, word in sorted(places[term] for term in rarest))

    def _fault(self, query: str) -> str:
        terms = set(self.words.read(query).terms)
        if len(terms) < 2:
            return FEW_WORDS
        rarest = min(self.frequencies.get(term, 0) for term in terms)
        return COMMON_WORDS if rarest > self.table.common_share * self.documents else ""


def _span(sentence: str, count: int, chance: Random) -> str:
    """`count` words one after the other; all where there are no more. Lone punctuation is no word."""
    words = [word for word in sentence.split() if any(letter.isalnum() for letter in word)]
    start = chance.randint(0, max(0, len(words) - count))
    return " ".join(words[start : start + count]).strip(" .,;:")
