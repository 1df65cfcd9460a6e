"""What methods, scores and metadata values are called in plain English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from medsearch.search.fusion import RRF_K
from medsearch.search.names import BM25, HYBRID, RERANK
from medsearch.search.reranking import RERANK_DEPTH
from medsearch.types import ModelKind, ModelSpec


class Method(StrEnum):
    """How a retriever finds: by meaning and words, by meaning alone, by words alone, or word by word."""

    HYBRID = "hybrid"
    MEANING = "meaning"
    WORDS = "words"
    TOKENS = "tokens"


_SCORE_MEANING = {
    Method.HYBRID: (
        "How high this document stands in the ranking by meaning and in the ranking by words, added up. "
        f"The most possible is {2 / (RRF_K + 1):.4f}: first in both. "
    ),
    Method.MEANING: (
        "How close the meaning of the passage is to your question, as the model sees it: "
        "1 is the same, 0 is unrelated. "
    ),
    Method.WORDS: (
        "How strongly the passage matches the words you typed. Rare words count for more, "
        "and so do words that are repeated. "
    ),
    Method.TOKENS: (
        "Each word of your question looks for the word of the passage that is nearest in meaning; these "
        "nearnesses are added up. Only scores of the same question can be compared. "
    ),
}
_SCORE_LIMITS = "It only orders this list: it does not say how true, complete or safe the text is."
_DECIMALS = {Method.HYBRID: 4, Method.MEANING: 3, Method.WORDS: 1, Method.TOKENS: 2}


_METHODS = {
    ModelKind.DENSE: Method.MEANING,
    ModelKind.SPARSE: Method.WORDS,
    ModelKind.LATE_INTERACTION: Method.TOKENS,
}


def method_of(name: str, models: Mapping[str, ModelSpec]) -> Method:
    """How the retriever called `name` finds; `models` are those of the index."""
    if name.startswith(HYBRID):
        return Method.HYBRID
    return Method.TOKENS if name.startswith(RERANK) else _METHODS[models[name].kind]


def method_label(name: str, models: Mapping[str, ModelSpec]) -> str:
    """A retriever's name for people, e.g. "Meaning + words (hybrid, minilm)".

    "Word by word (NAME), among the best 100 by meaning + words (minilm)" is one that reranks.
    """
    match method_of(name, models):
        case Method.HYBRID:
            return f"Meaning + words (hybrid, {name.removeprefix(HYBRID)})"
        case Method.MEANING:
            return f"Meaning ({name})"
        case Method.WORDS:
            return f"Words ({_words(name)})"
        case Method.TOKENS:
            late, first = reranking(name)
            return f"Word by word ({late}), {_best_of(first) if first else 'in all passages'}"


def reranking(name: str) -> tuple[str, str]:
    """The late-interaction model of a retriever, and the name of what it reranks ("": it searches alone)."""
    if not name.startswith(RERANK):
        return name, ""
    late, _, first = name.removeprefix(RERANK).partition(":")
    return late, first


def _best_of(first: str) -> str:
    """By the model's name too: an index may have several."""
    if first.startswith(HYBRID):
        by = f"meaning + words ({first.removeprefix(HYBRID)})"
    else:
        by = "words (BM25)" if first == BM25 else f"meaning ({first})"
    return f"among the best {RERANK_DEPTH} by {by}"


def _words(name: str) -> str:
    return "BM25" if name == BM25 else name


def score_text(score: float, method: Method) -> str:
    """A score with as many decimals as tell neighbours in a list apart."""
    return f"{score:.{_DECIMALS[method]}f}"


def score_meaning(method: Method) -> str:
    """What a score of this method says, and what it does not."""
    return _SCORE_MEANING[method] + _SCORE_LIMITS


def value_label(value: object) -> str:
    """A metadata value for people: "clinical_note" becomes "Clinical note"; several are joined by commas."""
    if isinstance(value, tuple):
        return ", ".join(value_label(part) for part in value)
    text = str(value).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def distinct_labels(values: Iterable[str]) -> dict[str, str]:
    """A label for each value; values whose labels would be the same are shown as they are."""
    labels = {value: value_label(value) for value in values}
    alike = Counter(labels.values())
    return {value: label if alike[label] == 1 else value for value, label in labels.items()}


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 document", "1,240 documents"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
