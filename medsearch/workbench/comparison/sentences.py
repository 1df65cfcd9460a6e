"""What a comparison shows, in one plain sentence; scores and differences are times 100 ("points")."""

from __future__ import annotations

from medsearch.evaluation.verdicts import USUAL, JudgedComparison, Outcome, Procedure


def sentence(where: str, a: str, b: str, judged: JudgedComparison, procedure: Procedure = USUAL) -> str:
    """Such as "medquad:dev: b is better than a by 2.1 points (95 % interval of the difference 0.9 to …"."""
    found = judged.comparison
    if judged.outcome is Outcome.NOT_DISTINGUISHABLE:
        return f"{where}: {b} and {a} are {judged.verdict}; {_power(judged, procedure)}."
    low, high = (100 * bound for bound in found.ci)
    return (
        f"{where}: {b} is {judged.verdict} than {a} by {abs(100 * found.difference):.1f} points "
        f"({100 * (1 - procedure.alpha):g} % interval of the difference {low:.1f} to {high:.1f}, corrected p "
        f"= {judged.p_holm:.2g}, {found.queries:,} queries)."
    )


def _power(judged: JudgedComparison, procedure: Procedure) -> str:
    """What these queries could have shown."""
    found = judged.comparison
    if not found.wins and not found.losses:
        return "they score the same on every query"
    if judged.smallest_detectable is None:
        few = "too few queries differ to show any difference"
        return "how small a difference they could have shown is not known" if found.spread is None else few
    return (
        f"a true difference of {100 * judged.smallest_detectable:.1f} points or more would have been found "
        f"with {100 * procedure.power:g} % probability"
    )
