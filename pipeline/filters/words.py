"""The words of a text, and which of them say what it is about."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from medsearch.index.bm25 import Bm25Encoder
from medsearch.types import ModelSpec

_MASK = re.compile(r"\[[A-Z][A-Z _-]*\d*\]")
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_][^\W_]*")
"""A number with its decimals ("0.8", of "0.8mg"), or a word that may end in digits ("p16")."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text taken apart. `words` are all its words in order, without masks such as "[NAME]".

    `terms` are the stems of the words that are not stop words, in order.
    """

    words: tuple[str, ...]
    terms: tuple[str, ...]
    masks: int


@dataclass(frozen=True, slots=True)
class Words:
    """Takes texts apart by the stop words of the BM25 model and Snowball's English stemmer.

    A word of another language has its English stem, so that equal words have equal stems all the same.
    """

    bm25: ModelSpec
    _terms: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def read(self, text: str) -> Text:
        """Take a text apart; letter case and Unicode form make no difference."""
        bare, masks = _MASK.subn(" ", text)
        words = tuple(_WORD.findall(unicodedata.normalize("NFKC", bare).casefold()))
        new = dict.fromkeys(word for word in words if word not in self._terms)
        if new:
            self._learn(list(new))
        return Text(words, tuple(term for word in words if (term := self._terms[word])), masks)

    def _learn(self, words: list[str]) -> None:
        from py_rust_stemmers import SnowballStemmer

        encoder = Bm25Encoder(self.bm25, 1.0)
        for word, stem in zip(words, SnowballStemmer("english").stem_words(words), strict=True):
            self._terms[word] = stem if encoder.tokens(word) else ""


def without_masks(text: str) -> str:
    """The text with a space where a mask stood."""
    return _MASK.sub(" ", text)
