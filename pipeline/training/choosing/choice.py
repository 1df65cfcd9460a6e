"""Which candidate is taken, by one rule that is written down before any score is known."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.evaluation.training_facts import CandidateFacts, GuardFacts
from medsearch.evaluation.verdicts import Scores as QueryScores
from medsearch.evaluation.verdicts import compare_means, compare_scores, with_holm
from pipeline.training.panel.scoring import Scores
from pipeline.training.recipe import SelectTable

MEAN = "mean"
TIE = 1e-9
"""Means closer than this are equal: they differ by rounding."""


def rule_of(table: SelectTable) -> str:
    """The rule in words, as provenance and card have it."""
    best = "highest mean nDCG@10 over the tasks of the dev panel"
    ties = "of equal ones the one with more of the base"
    if not table.guard:
        return f"{best}; {ties}"
    return (
        f"{best} among candidates that lose no more than {table.guard_tolerance:g} of mean "
        f"nDCG@10 on the guard set outside medicine (where all lose more, the one that loses least); {ties}"
    )


def choose(base: CandidateFacts, candidates: Sequence[CandidateFacts], table: SelectTable) -> CandidateFacts:
    """The candidate that the rule gives; `candidates` must not be empty."""
    able = [each for each in candidates if _lost(base, each) <= table.guard_tolerance + TIE]
    if not able:
        least = min(_lost(base, each) for each in candidates)
        able = [each for each in candidates if _lost(base, each) <= least + TIE]
    best = max(each.dev_mean for each in able)
    equal = [each for each in able if each.dev_mean >= best - TIE]
    return max(equal, key=lambda each: each.base_share)


def guard_verdicts(base: Scores, tuned: Scores) -> tuple[GuardFacts, ...]:
    """The tuned model beside its base outside medicine: each task and, of several, their mean.

    By the paired randomisation test, corrected (Holm) for all that is compared here.
    """
    tasks: dict[str, tuple[QueryScores, QueryScores]] = {
        task: (scores, tuned.guard[task]) for task, scores in base.guard.items()
    }
    compared = {task: compare_scores(*scores) for task, scores in tasks.items()}
    if len(tasks) > 1:
        compared[MEAN] = compare_means(tasks)
    return tuple(
        GuardFacts(
            task=task,
            queries=judged.comparison.queries,
            base=judged.comparison.a,
            tuned=judged.comparison.b,
            p_holm=judged.p_holm,
            outcome=judged.outcome,
        )
        for task, judged in with_holm(compared).items()
    )


def _lost(base: CandidateFacts, candidate: CandidateFacts) -> float:
    """What is lost outside medicine; 0 where that was not measured."""
    if base.guard_mean is None or candidate.guard_mean is None:
        return 0.0
    return base.guard_mean - candidate.guard_mean
