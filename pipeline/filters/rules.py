"""The rules in order, cheap ones first: each says which measured check must lie between which limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.recipe import FilterTable, RoundTripSearch

Checks = Mapping[str, float]
Limit = Callable[[FilterTable], float | None]


def _none(_: FilterTable) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """A row fails where `check` is below `low` or above `high`; a limit of `None` drops nothing.

    A row whose check was not measured does not fail. `costly` checks need a search of the pool.
    """

    name: str
    check: str
    low: Limit = _none
    high: Limit = _none
    costly: bool = False

    def failure(self, checks: Checks, table: FilterTable) -> str | None:
        """What is wrong, in words with numbers; `None` where nothing is."""
        value = checks.get(self.check)
        if value is None:
            return None
        low, high = self.low(table), self.high(table)
        what = self.check.replace("_", " ")
        if low is not None and value < low:
            return f"{what} {value:g}, at least {low:g} wanted"
        if high is not None and value > high:
            return f"{what} {value:g}, at most {high:g} allowed"
        return None


def _round_trip(search: RoundTripSearch) -> Rule:
    def high(table: FilterTable) -> float | None:
        return table.round_trip_k if search in table.round_trip_searches else None

    return Rule(f"round trip, {search}", f"{search}_rank", high=high, costly=True)


RULES = (
    Rule("length", "words", low=lambda t: t.min_words, high=lambda t: t.max_words),
    Rule("no content", "content_words", low=lambda t: t.min_content_words),
    Rule("masks", "mask_share", high=lambda t: t.max_mask_share),
    Rule("repeated words", "distinct_share", low=lambda t: t.min_distinct_share),
    Rule("boilerplate", "boilerplate", high=lambda _: 0),
    Rule("low relevance", "relevance", low=lambda t: t.min_relevance),
    Rule("language of the query", "language", low=lambda t: t.language_confidence),
    Rule("language of the passage", "passage_language", low=lambda t: t.language_confidence),
    Rule("copy of the passage", "copied", high=lambda t: t.max_copy),
    Rule("from the prompt's examples", "example_similarity", high=lambda t: t.max_example_similarity),
    Rule("exact duplicate", "exact_duplicate", high=lambda _: 0),
    Rule("near duplicate", "duplicate_jaccard", high=lambda t: t.duplicate_jaccard),
    Rule("lexical support", "lexical_support", low=lambda t: t.min_lexical_support),
    Rule("ungrounded words", "ungrounded", high=lambda t: t.max_ungrounded),
    Rule("dense support", "dense_support", low=lambda t: t.min_dense_support, costly=True),
    *(_round_trip(search) for search in RoundTripSearch),
    Rule("round trip, margin", "dense_margin", low=lambda t: t.round_trip_margin, costly=True),
)


def failures(checks: Checks, table: FilterTable, *, costly: bool = True) -> dict[str, str]:
    """What is wrong with a row by the name of the rule, in the order of the rules; empty for a good one."""
    found = {}
    for rule in RULES:
        if (costly or not rule.costly) and (detail := rule.failure(checks, table)):
            found[rule.name] = detail
    return found
