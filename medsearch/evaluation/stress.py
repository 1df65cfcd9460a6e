"""The clinical stress card: how often a retriever puts the right passage of a minimal pair first.

A pair is passed only where the right passage scores strictly higher than the wrong one. Equal scores, and a
pair of which neither passage is found, are ties: not passed, and counted of their own. Tossing a coin would
pass 50 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from medsearch.evaluation.intervals import wilson_interval
from medsearch.evaluation.stress_pairs import StressPair

CHANCE = 0.5
"""The pass rate of a retriever that orders the two passages of a pair by chance."""

Scores = tuple[float | None, float | None]
"""Of a pair's right and wrong passage; higher is better, `None` where one is not found."""


class Outcome(StrEnum):
    """What a retriever made of one pair."""

    PASSED = "passed"
    FAILED = "failed"
    TIED = "tied"


@dataclass(frozen=True, slots=True)
class PassRate:
    """Outcomes of some pairs. `low` and `high` are the 95 % interval of Wilson (JASA 1927) of the rate."""

    pairs: int
    passed: int
    tied: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share of pairs that were passed, 0 to 1."""
        return self.passed / self.pairs


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two retrievers on the same pairs: how many only one of them passed, and the p value.

    `p` is McNemar's test in its exact form: twice the smaller tail of the binomial of the pairs that only one
    passed, at one half (McNemar, Psychometrika 1947); 1 where there are none.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class StressCard:
    """One retriever on the stress pairs.

    `outcomes` is category -> pair id -> outcome; `settings` says what the figures depend on: the pairs'
    `data_hash`, the number of documents, the engine, and each model's spec with its revision.
    """

    retriever: str
    outcomes: Mapping[str, Mapping[str, Outcome]]
    settings: Mapping[str, Any]
    git_revision: str
    created: str

    @property
    def all(self) -> PassRate:
        """Over the pairs of all categories."""
        return pass_rate(outcome for pairs in self.outcomes.values() for outcome in pairs.values())

    @property
    def categories(self) -> dict[str, PassRate]:
        """Category -> its pass rate."""
        return {category: pass_rate(pairs.values()) for category, pairs in self.outcomes.items()}


def judge(right: float | None, wrong: float | None) -> Outcome:
    """The outcome of a pair, given the scores of its passages (higher is better, `None`: not found)."""
    if right == wrong:
        return Outcome.TIED
    if wrong is None:
        return Outcome.PASSED
    return Outcome.PASSED if right is not None and right > wrong else Outcome.FAILED


def judge_all(pairs: Sequence[StressPair], scores: Mapping[str, Scores]) -> dict[str, dict[str, Outcome]]:
    """Category -> pair id -> outcome; `scores` is pair id -> (right, wrong)."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    for pair in pairs:
        outcomes.setdefault(pair.category, {})[pair.pair_id] = judge(*scores[pair.pair_id])
    return outcomes


def pass_rate(outcomes: Iterable[Outcome]) -> PassRate:
    """Counts and interval of at least one outcome."""
    seen = list(outcomes)
    passed = seen.count(Outcome.PASSED)
    low, high = wilson_interval(passed, len(seen))
    return PassRate(len(seen), passed, seen.count(Outcome.TIED), low, high)


def compare_cards(first: StressCard, second: StressCard, category: str | None = None) -> PairedDifference:
    """The pairs that only one of two retrievers passed, of one category or of all.

    Only pairs that both were asked count; cards of other data have none in common and differ in nothing.
    """
    from scipy.stats import binomtest

    only_first = only_second = 0
    for name in first.outcomes if category is None else [category]:
        others = second.outcomes.get(name, {})
        for pair_id, outcome in first.outcomes.get(name, {}).items():
            if pair_id in others:
                passed = outcome is Outcome.PASSED, others[pair_id] is Outcome.PASSED
                only_first += passed == (True, False)
                only_second += passed == (False, True)
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant, CHANCE).pvalue) if discordant else 1.0
    return PairedDifference(first.retriever, second.retriever, only_first, only_second, p)


def summary(card: StressCard) -> str:
    """What stands beside a retriever's name where retrievers are compared: "stress" and `shown` of all."""
    return f"stress {shown(card.all)}"


def shown(rate: PassRate) -> str:
    """A pass rate in whole per cent and behind it, in brackets, its interval."""
    return f"{100 * rate.rate:.0f} % [{100 * rate.low:.0f}\N{EN DASH}{100 * rate.high:.0f}]"
