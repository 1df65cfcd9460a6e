"""What a comparison shows, in plain sentences; scores and differences are times 100 ("points")."""

from __future__ import annotations

from collections.abc import Iterable

from medsearch.evaluation.task_means import shared_weights
from medsearch.evaluation.verdicts import USUAL, JudgedComparison, Outcome, PairedComparison, Procedure
from medsearch.workbench.comparison.written import p_equals, points

_FEW = 10


def sentence(where: str, a: str, b: str, judged: JudgedComparison, procedure: Procedure = USUAL) -> str:
    """Such as "medquad:dev: b is better than a by 2.1 points (95 % interval of the difference 0.9 to …"."""
    found = judged.comparison
    if judged.outcome is Outcome.NOT_DISTINGUISHABLE:
        return (
            f"{where}: {b} and {a} are {judged.outcome} with {_queries(found)}; {_power(judged, procedure)}."
        )
    low, high = map(points, found.ci)
    return (
        f"{where}: {b} is {judged.outcome} than {a} by {points(abs(found.difference))} points "
        f"({100 * (1 - procedure.alpha):g} % interval of the difference {low} to {high}, corrected "
        f"{p_equals(judged.p_holm)}, {_queries(found)})."
    )


def weights_note(tasks: Iterable[str]) -> str:
    """How the mean over these tasks is weighted where some are parts of one mteb task; "" where none are."""
    shared = shared_weights(tasks)
    if not shared:
        return ""
    parts = ", ".join(f"the {number} parts of {group}" for group, number in shared.items())
    return f"in the mean, parts of one mteb task share one weight: {parts}"


def _queries(found: PairedComparison) -> str:
    """Their number, and how many they are with each counted once that several tasks ask."""
    many = f"{found.queries:,} queries"
    return many if found.distinct == found.queries else f"{many}, {found.distinct:,} of them different"


def _power(judged: JudgedComparison, procedure: Procedure) -> str:
    """What these queries could have shown."""
    found = judged.comparison
    if not found.wins and not found.losses:
        return "they score the same on every query"
    if judged.smallest_detectable is None:
        if found.spread is None:
            return "how small a difference they could have shown is not known"
        differing = found.wins + found.losses
        only = f", of which only {differing} differ" if differing < min(_FEW, found.queries) else ""
        return f"no difference could have been shown reliably with {found.queries:,} queries{only}"
    return (
        f"a true difference of {points(judged.smallest_detectable)} points or more would have been found "
        f"with {100 * procedure.power:g} % probability"
    )
