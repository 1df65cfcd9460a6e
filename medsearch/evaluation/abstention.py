"""When to say "nothing here answers this": a threshold on the best score, with a stated error rate.

Split-conformal calibration (Vovk, Gammerman & Shafer 2005; Angelopoulos & Bates 2021, section 1): of the best
scores of n questions that the corpus answers, the threshold is the k-th smallest, k = floor(error * (n + 1)).
A further answerable question, exchangeable with these, falls below it with probability at most k / (n + 1),
whatever the model and however scores are distributed. Nothing is promised of questions that the corpus does
not answer: how often these are refused is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError, UsageError, first_fault
from medsearch.evaluation.intervals import LEVEL, Interval, wilson_interval
from medsearch.evaluation.keep import file_name

FOLDER = "abstention"
"""The folder of a results folder that calibrations are kept in."""

LEAST_SEPARATION = 0.55
"""A score that separates no better than this is as good as chance: no question should be refused by it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `asked` questions, `abstained` were refused."""

    abstained: int
    asked: int

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing asked."""
        return self.abstained / self.asked if self.asked else 0.0

    @property
    def interval(self) -> Interval:
        """Wilson's interval of the share."""
        return wilson_interval(self.abstained, self.asked)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One retriever's threshold on one corpus, and what it does to questions it was not made from.

    `threshold` is `None` where `calibrated` questions are too few for `error`: then nothing is ever refused.
    `statistic` says what is compared with it, `model` whose score that is. `false` is over questions that the
    corpus answers, `outside` over those of each other corpus. `separation` is the area under the ROC curve.
    """

    retriever: str
    corpus: str
    error: float
    threshold: float | None
    statistic: str
    model: str
    calibrated: int
    calibrated_on: str
    measured_on: str
    false: Rate
    outside: Mapping[str, Rate]
    separation: float
    settings: Mapping[str, Any]
    git_revision: str
    created: str

    @property
    def all_outside(self) -> Rate:
        """All other corpora's questions together."""
        rates = self.outside.values()
        return Rate(sum(rate.abstained for rate in rates), sum(rate.asked for rate in rates))

    @property
    def separates(self) -> bool:
        """Whether the score tells answered questions from those outside, as far as these were measured."""
        return self.all_outside.asked == 0 or self.separation > LEAST_SEPARATION


def conformal_threshold(scores: Sequence[float], error: float) -> float | None:
    """The score below which a question counts as not answered; `None` where `scores` are too few for `error`.

    `scores` are the best scores of answerable questions, higher for better. A score equal to the threshold is
    not below it, so that ties only make refusing rarer.
    """
    rank = _rank(len(scores), error)
    return sorted(scores)[rank - 1] if rank else None


def fewest_questions(error: float) -> int:
    """How many calibration questions this error rate needs at least: 19 for 5 %.

    Raises:
        UsageError: if `error` is not between 0 and 1.
    """
    check_error(error)
    return ceil(1 / _exact(error)) - 1


def check_error(error: float) -> None:
    """Refuse an error rate that is none.

    Raises:
        UsageError: if it is not between 0 and 1.
    """
    if not 0 < error < 1:
        raise UsageError(f"an error rate of {error:g}: it must be above 0 and below 1, such as 0.05 for 5 %")


def true_rate_range(questions: int, error: float) -> Interval:
    """Where the true rate of false refusals of such a threshold lies in 95 of 100 calibrations.

    The error rate holds on average over calibrations. Given one of n `questions` with rank k, the rate is
    distributed as Beta(k, n + 1 - k) for scores without ties (Angelopoulos & Bates 2021, section 3.2);
    (0, 0) where no threshold can be stated.
    """
    rank = _rank(questions, error)
    if not rank:
        return 0.0, 0.0
    from scipy.stats import beta

    low, high = beta.interval(LEVEL, rank, questions + 1 - rank)
    return float(low), float(high)


def abstention(scores: Sequence[float], threshold: float | None) -> Rate:
    """How many of these questions are refused."""
    refused = 0 if threshold is None else sum(score < threshold for score in scores)
    return Rate(refused, len(scores))


def separation(answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """Area under the ROC curve: how often an answered question scores above an unanswered one.

    A tie counts half, and 0.5 is no separation at all (Mann & Whitney 1947; by scipy).

    Raises:
        MedsearchError: if either is empty.
    """
    from scipy.stats import mannwhitneyu

    if not answered or not unanswered:
        raise MedsearchError("there are no questions on one of the two sides to separate")
    statistic = mannwhitneyu(answered, unanswered, method="asymptotic").statistic
    return float(statistic) / (len(answered) * len(unanswered))


def calibration_record(found: Calibration) -> dict[str, Any]:
    """A calibration ready for JSON: all its fields, and the shares and intervals that follow from them."""
    fields = {name: getattr(found, name) for name in Calibration.__slots__}
    return {
        **fields,
        "settings": dict(found.settings),
        "needed": fewest_questions(found.error),
        "true_rate_range": list(true_rate_range(found.calibrated, found.error)),
        "false": _rate_record(found.false),
        "all_outside": _rate_record(found.all_outside),
        "separates": found.separates,
        "outside": {corpus: _rate_record(rate) for corpus, rate in found.outside.items()},
    }


def write_calibration(found: Calibration, folder: Path) -> Path:
    """Keep it as `FOLDER/abstention/RETRIEVER.CORPUS.json`, in place of an older one. Returns the file."""
    file = folder / FOLDER / f"{file_name(found.retriever)}.{file_name(found.corpus)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(calibration_record(found), indent=1, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")
    return file


def read_calibrations(folder: Path) -> list[Calibration]:
    """The calibrations of a results folder by corpus and retriever; none where none was made.

    Raises:
        MedsearchError: naming a file that is not a calibration.
    """
    found = [_read(file) for file in sorted((folder / FOLDER).glob("*.json"))]
    return sorted(found, key=lambda each: (each.corpus, each.retriever))


def _read(file: Path) -> Calibration:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Calibration).validate_json(file.read_bytes())
    except ValidationError as error:
        raise MedsearchError(
            f"{file}: not a calibration ({first_fault(error)}); make it again with `medsearch calibrate`"
        ) from None


def _rate_record(rate: Rate) -> dict[str, Any]:
    return {
        "abstained": rate.abstained,
        "asked": rate.asked,
        "share": rate.share,
        "interval": list(rate.interval),
    }


def _rank(questions: int, error: float) -> int:
    check_error(error)
    return floor(_exact(error) * (questions + 1))


def _exact(error: float) -> Fraction:
    """The rate as it was written, since 0.29 of 100 is 29 but as binary fractions just below."""
    return Fraction(repr(float(error)))
