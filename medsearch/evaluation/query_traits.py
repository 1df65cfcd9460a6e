"""What a query is like: its kind, its length, how rare its words are, and whether it denies something.

These are plain word rules of our own, made to split queries for looking at them; they are no linguistics.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from medsearch.evaluation.overlap.normalise import FUNCTION_WORDS
from medsearch.types import Document, Query

RARE_SHARE = 0.001
"""A word is rare if at most this share of the documents has it (or one document, in a small corpus)."""

_LEAST_LETTERS = 3
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_ASKING_WORDS = (
    "who whom whose when where why how if then than there here no not nor neither none never without also "
    "just only but so too very more most much many some any all each other such same into over under after "
    "before during between through because while until again get got give given take taken tell know want "
    "need like help say said see use used make made go going"
)
_ASKED_WITH = frozenset(_ASKING_WORDS.split())
"""Words that say how something is asked rather than what about, beside `FUNCTION_WORDS`."""

_AUXILIARIES = "is|are|was|were|am|do|does|did|has|have|had|can|could|shall|should|will|would|may|might|must"
_ASKING = re.compile(rf"\s*(?:what|which|who|whose|whom|when|where|why|how|{_AUXILIARIES})\b")
_GRAMMAR = re.compile(
    r"\b(?:a|an|the|i|me|my|he|him|his|she|her|it|its|they|them|their|we|us|our|you|your|"
    rf"this|that|these|those|be|been|being|{_AUXILIARIES})\b"
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|neither|nor|without|cannot|deny|denies|denied|denying|absent|absence|"
    r"lack|lacks|lacking|negative|except|excluding|free of|free from|rules? out|ruled out|other than|"
    r"instead of)\b|\b[a-z]+n['\u2019]t\b"
)

_BANDS = ((3, "1 to 3 words"), (8, "4 to 8 words"), (20, "9 to 20 words"))
_LONGEST = "over 20 words"


@dataclass(frozen=True, slots=True)
class QueryTraits:
    """`rare` and `negation` are the words that make it so, in the order of the query.

    `rarity` is the mean inverse document frequency of its content words, from 0 (all documents have all of
    them, or there are none) to 1 (no document has any).
    """

    kind: str
    words: int
    rarity: float
    rare: tuple[str, ...]
    negation: tuple[str, ...]

    @property
    def length(self) -> str:
        """The band that the number of words falls in."""
        return next((name for most, name in _BANDS if self.words <= most), _LONGEST)


def traits_of(query: Query, frequencies: Mapping[str, int], documents: int) -> QueryTraits:
    """Look at one query; `frequencies` is word -> how many of the `documents` have it."""
    words = words_of(query.text)
    content = {word: frequencies.get(word, 0) for word in words if _is_content(word)}
    most = max(1, int(RARE_SHARE * documents))
    rare = [word for word, found in content.items() if found <= most]
    rarity = fmean(_rarity(found, documents) for found in content.values()) if content else 0.0
    negation = dict.fromkeys(found.group() for found in _NEGATION.finditer(query.text.casefold()))
    return QueryTraits(kind_of(query), len(words), rarity, tuple(rare), tuple(negation))


def kind_of(query: Query) -> str:
    """The collection's own `kind` of the query where it has one, else "question", "keywords" or "statement".

    A question has a question mark or begins as one; keywords have no article, pronoun or auxiliary verb.
    """
    stated = query.metadata.get("kind")
    if isinstance(stated, str) and stated.strip():
        return stated.strip()
    text = query.text.casefold()
    if "?" in text or _ASKING.match(text):
        return "question"
    return "statement" if _GRAMMAR.search(text) else "keywords"


def words_of(text: str) -> list[str]:
    """The words in lower case, in order; a hyphen parts two words, "Crohn's" is "crohn", "isn't" is whole."""
    found = _WORD.findall(text.casefold())
    return [word.replace("\u2019", "'").removesuffix("'s") for word in found]


def document_frequencies(queries: Iterable[Query], documents: Iterable[Document]) -> dict[str, int]:
    """Word of any of the queries -> how many documents have it in title or text."""
    wanted = {word for query in queries for word in words_of(query.text)}
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(wanted.intersection(words_of(f"{document.title} {document.text}")))
    return dict(counts)


def _is_content(word: str) -> bool:
    """Whether a word can be called rare: numbers, the shortest, function words and contractions cannot."""
    if len(word) < _LEAST_LETTERS or word.isdigit() or "'" in word:
        return False
    return word not in FUNCTION_WORDS and word not in _ASKED_WITH


def _rarity(found: int, documents: int) -> float:
    """Inverse document frequency on a scale from 0 (every document has the word) to 1 (none has)."""
    return 1 - math.log1p(found) / math.log1p(documents) if documents else 0.0
