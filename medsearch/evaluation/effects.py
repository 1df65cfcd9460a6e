"""How large a difference is, and how small a one so many queries could have shown.

Of strata: the paired differences of one task, or of several whose means are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.significance import TIE

Strata = Sequence[NDArray[np.float64]]
"""One array of paired differences, shape (queries,), a task."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a mean difference is off by chance: its standard error, and the degrees of freedom of that.

    `differing` queries (or clusters of one query's) do not tie; only these have a sign that the randomisation
    test can flip.
    """

    standard_error: float
    degrees: float
    differing: int


def effect_size(strata: Strata, weights: Sequence[float] | None = None) -> float | None:
    """Cohen's d_z: the mean difference in standard deviations of the differences (Cohen 1988).

    Of several tasks the mean of theirs, by `weights` of sum 1 where they do not weigh the same. 0 where no
    query differs; `None` where it is not finite: all differences are equal but not 0, or there is only one.
    """
    sizes = [_effect_size(values) for values in strata]
    shares = weights or [1 / len(sizes)] * len(sizes)
    known = [share * size for share, size in zip(shares, sizes, strict=True) if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def spread_of(strata: Strata) -> Spread | None:
    """The spread of the mean over tasks of mean differences.

    Degrees of freedom after Welch and Satterthwaite (Biometrics 1946); n - 1 for a single task. `None` where
    the data do not tell: a task has a single query, or all differences of each task are equal.
    """
    if any(len(values) < 2 for values in strata):
        return None
    return spread_of_sum([values / len(strata) for values in strata])


def spread_of_sum(parts: Strata) -> Spread | None:
    """The spread of the sum over `parts` of their means; see `Clusters.parts`.

    A part of a single value adds no spread. `None` where none has any.
    """
    several = [values for values in parts if len(values) > 1]
    variances = [float(values.var(ddof=1)) / len(values) for values in several]
    if math.sqrt(sum(variances)) * len(parts) < TIE:
        return None
    degrees = sum(variances) ** 2 / sum(
        variance**2 / (len(values) - 1) for variance, values in zip(variances, several, strict=True)
    )
    differing = sum(int(np.count_nonzero(np.abs(values) * len(parts) >= TIE)) for values in parts)
    return Spread(math.sqrt(sum(variances)), degrees, differing)


def smallest_detectable(spread: Spread | None, *, alpha: float, power: float) -> float | None:
    """The true difference that so many queries find with probability `power`, two-sided at level `alpha`.

    (t(1 - alpha / 2) + t(power)) standard errors (Cohen 1988; for numbers of topics Sakai, Information
    Retrieval Journal 2016), with the spread seen in these queries: what they could have shown, not what is
    true. `None` where the spread is not known, or so few queries differ that no result reaches `alpha`: n
    signs give no p below 2 / 2**n.
    """
    from scipy import special

    if spread is None or 2.0 ** (1 - spread.differing) >= alpha:
        return None
    quantiles = special.stdtrit(spread.degrees, [1 - alpha / 2, power])
    return float(quantiles.sum()) * spread.standard_error


def _effect_size(values: NDArray[np.float64]) -> float | None:
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if deviation < TIE:
        return 0.0 if abs(mean) < TIE else None
    return mean / deviation
