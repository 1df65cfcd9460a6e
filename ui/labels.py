"""What methods, scores and metadata values are called in plain English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from medsearch.search.fusion import RRF_K
from medsearch.search.names import BM25, HYBRID
from medsearch.types import ModelKind, ModelSpec


class Method(StrEnum):
    """How a retriever finds: by meaning and words, by meaning alone, or by words alone."""

    HYBRID = "hybrid"
    MEANING = "meaning"
    WORDS = "words"


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
}
_SCORE_LIMITS = "It only orders this list: it does not say how true, complete or safe the text is."
_DECIMALS = {Method.HYBRID: 4, Method.MEANING: 3, Method.WORDS: 1}


def method_of(name: str, models: Mapping[str, ModelSpec]) -> Method:
    """How the retriever called `name` finds; `models` are those of the index."""
    if name.startswith(HYBRID):
        return Method.HYBRID
    return Method.WORDS if models[name].kind is ModelKind.SPARSE else Method.MEANING


def method_label(name: str, models: Mapping[str, ModelSpec]) -> str:
    """A retriever's name for people, e.g. "Meaning + words (hybrid, minilm)"."""
    match method_of(name, models):
        case Method.HYBRID:
            return f"Meaning + words (hybrid, {name.removeprefix(HYBRID)})"
        case Method.MEANING:
            return f"Meaning ({name})"
        case Method.WORDS:
            return f"Words ({'BM25' if name == BM25 else name})"


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
