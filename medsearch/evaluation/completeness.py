"""Whether a result says all that has to be known of how it was made, in values that have a meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import Spec, is_dense, models_of

_SLACK = 1e-9
"""Measures are sums of fractions: 1 may come out a little above."""

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Lack:
    """A `field` that a result lacks, or of which `value` has no meaning; `due` says what it must be."""

    field: str
    due: str
    value: Any = _NOTHING

    @property
    def absent(self) -> bool:
        """Whether the field is not there at all."""
        return self.value is _NOTHING


@dataclass(frozen=True, slots=True)
class _Due:
    """What a field must be, in words and as a check."""

    words: str
    holds: Callable[[Any], bool]


_TEXT = _Due("a text that is not empty", lambda value: isinstance(value, str) and bool(value.strip()))
_ANY_TEXT = _Due("a text", lambda value: isinstance(value, str))
_YES_NO = _Due("true or false", lambda value: isinstance(value, bool))
_COUNT = _Due("a whole number above 0", lambda value: type(value) is int and value > 0)
_WHOLE = _Due("a whole number", lambda value: type(value) is int and value >= 0)
_TABLE = _Due("a table", lambda value: isinstance(value, Mapping))
_FILLED = _Due("a table that is not empty", lambda value: isinstance(value, Mapping) and bool(value))
_CUT = _Due("a text or a table that is not empty", lambda value: _TEXT.holds(value) or _FILLED.holds(value))

_OF_SETTINGS = {
    "models": _FILLED,
    "corpus_hash": _TEXT,
    "queries_hash": _TEXT,
    "qrels_hash": _TEXT,
    "ignore_identical_ids": _YES_NO,
    "passages": _CUT,
    "search": _TEXT,
    "depth": _COUNT,
    "engine": _TEXT,
    "backend": _TEXT,
    "dtype": _TEXT,
    "declared_query_prompts": _TABLE,
}
_OF_MODELS = {
    "name": _TEXT,
    "source": _TEXT,
    "revision": _TEXT,
    "kind": _TEXT,
    "pooling": _TEXT,
    "query_prompt": _ANY_TEXT,
    "document_prompt": _ANY_TEXT,
}


def first_lack(result: TaskResult) -> Lack | None:
    """The first thing that a result does not say, or says without a meaning; `None` where it says all."""
    return next(_lacks(result), None)


def impossible_score(result: TaskResult) -> tuple[str, str, float] | None:
    """(query id, measure, score) of the first score that is not a number from 0 to 1."""
    for query_id, row in result.scores.items():
        for measure, score in row.items():
            if not (math.isfinite(score) and -_SLACK <= score <= 1 + _SLACK):
                return query_id, measure, score
    return None


def _lacks(result: TaskResult) -> Iterator[Lack]:
    settings = result.settings
    for field, due in _OF_SETTINGS.items():
        yield from _lack(field, settings.get(field, _NOTHING), due)
    for name, spec in settings["models"].items():
        yield from _lack(f"model {name}", spec, _FILLED)
    for name, spec in models_of(result).items():
        for field, due in _of_model(spec).items():
            yield from _lack(f"{field} of {name}", spec.get(field, _NOTHING), due)
        declared = settings["declared_query_prompts"].get(name, _NOTHING)
        yield from _lack(f"declared_query_prompts of {name}", declared, _ANY_TEXT)


def _of_model(spec: Spec) -> Mapping[str, _Due]:
    """BM25 has no length, and nothing but its parameters that its scores depend on."""
    if is_dense(spec):
        return {**_OF_MODELS, "max_tokens": _COUNT, "dim": _COUNT}
    return {**_OF_MODELS, "max_tokens": _WHOLE, "parameters": _FILLED}


def _lack(field: str, value: Any, due: _Due) -> Iterator[Lack]:
    if not due.holds(value):
        yield Lack(field, due.words, value)
