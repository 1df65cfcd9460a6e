"""Compares two retrievers by the results in a folder: refuses what is unfair, judges, and hides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.errors import UsageError
from medsearch.evaluation.fairness import Fairness, fairness_of
from medsearch.evaluation.guards import Allowed, Pair
from medsearch.evaluation.looks import Ledger, read_looks
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import PRIMARY, TaskResult, read_results
from medsearch.evaluation.stress import StressCard
from medsearch.evaluation.stress_cards import read_cards
from medsearch.evaluation.used_models import same_revisions
from medsearch.evaluation.verdicts import USUAL, Procedure
from medsearch.search.names import WITHOUT_PROMPT
from medsearch.types import ModelSpec
from medsearch.workbench.comparison.leaked_queries import (
    LeakReport,
    leaked_queries,
    read_leak_reports,
    reports_on,
)
from medsearch.workbench.comparison.pairing import Judged, Paired, judge, pair_results
from medsearch.workbench.comparison.prompt_worth import PromptWorth, prompt_worth
from medsearch.workbench.comparison.standing import Background, background_of


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Compare `b` beside `a`. `tasks` restricts (empty: all that both have); `looks` is the ledger's file.

    `prompts` also shows what query prompts are worth; `unchecked` lets results pass that do not say how
    they were made. `registry` are today's entries, whose prompts no result may lack under another name.
    """

    folder: Path
    a: str
    b: str
    measure: str = PRIMARY
    tasks: tuple[str, ...] = ()
    prompts: bool = False
    unchecked: bool = False
    looks: Path | None = None
    procedure: Procedure = USUAL
    registry: tuple[ModelSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class WithoutLeaks:
    """The comparison without the queries that A or B has seen in training.

    `removed` is task -> number of queries left out of both; `judged` is `None` where nothing leaked.
    `emptied` are tasks with no query left, `uncovered` those that a report of A or B says nothing of.
    """

    reports: tuple[LeakReport, ...]
    removed: Mapping[str, int]
    judged: Judged | None
    emptied: tuple[str, ...]
    uncovered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """All that is known of A beside B; of `backgrounds` and `cards` A's is first.

    `leaks` is `None` where there is no contamination report on either, `prompts` where it was not asked for.
    """

    request: CompareRequest
    paired: Paired
    judged: Judged
    fairness: Fairness
    backgrounds: tuple[Background, Background]
    cards: tuple[StressCard | None, StressCard | None]
    leaks: WithoutLeaks | None
    prompts: tuple[PromptWorth, ...] | None
    warnings: tuple[str, ...]


def compare(request: CompareRequest) -> Compared:
    """Compare two retrievers on the tasks that both have results on.

    Raises:
        UsageError: no such folder, retriever, task or measure.
        UnfairError: the results may not be compared; the message names the field.
        MedsearchError: a file of the folder cannot be read; it is named.
    """
    _check(request)
    results = read_results(request.folder)
    paired = pair_results(results, request.a, request.b, request.tasks)
    pairs = list(paired.pairs.values())
    fairness = fairness_of(pairs, _allowed(request))
    ledger = Ledger(()) if request.looks is None else read_looks(request.looks)
    looks = None if request.looks is None else ledger.looks
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    backgrounds = (background_of(ours, looks), background_of(theirs, looks))
    reports = read_leak_reports(request.folder)
    cards, stale = _cards(request.folder, paired)
    return Compared(
        request=request,
        paired=paired,
        judged=judge(paired.pairs, request.measure, procedure=request.procedure),
        fairness=fairness,
        backgrounds=backgrounds,
        cards=cards,
        leaks=_without_leaks(request, paired.pairs, reports),
        prompts=_prompts(request, results, paired) if request.prompts else None,
        warnings=(*_warnings(pairs), *_unreported(backgrounds, pairs[0], reports), *stale, *ledger.warnings),
    )


def _cards(folder: Path, paired: Paired) -> tuple[tuple[StressCard | None, StressCard | None], list[str]]:
    """The stress cards of A and B; one of another revision of a model is not shown, and told of."""
    known = read_cards(folder)
    a, b = next(iter(paired.pairs.values()))
    stale: list[str] = []

    def card_of(result: TaskResult) -> StressCard | None:
        card = known.get(result.retriever)
        if card is None or same_revisions(card.settings, result.settings):
            return card
        stale.append(
            f"the stress card of {result.retriever} is of another revision of the model, so it is left out: "
            f"run `medsearch stress --models {result.retriever} --out {folder}` again"
        )
        return None

    first, second = card_of(a), card_of(b)
    if first and second and first.settings.get("data_hash") != second.settings.get("data_hash"):
        stale.append("the two stress cards are of different pairs: run `medsearch stress` for both again")
    return (first, second), stale


def _check(request: CompareRequest) -> None:
    if request.a == request.b:
        raise UsageError(f"both sides are {request.a!r}: name two different retrievers with --a and --b")
    if request.measure not in MEASURES:
        raise UsageError(f"unknown measure {request.measure!r}; there are {', '.join(MEASURES)}")


def _allowed(request: CompareRequest) -> Allowed:
    by_name = frozenset(name for name in (request.a, request.b) if name.endswith(WITHOUT_PROMPT))
    return Allowed(
        unchecked=request.unchecked,
        no_prompt=by_name if request.prompts else frozenset(),
        registry=request.registry,
    )


def _without_leaks(
    request: CompareRequest, pairs: Mapping[str, Pair], everything: list[LeakReport]
) -> WithoutLeaks | None:
    a, b = next(iter(pairs.values()))
    of_each = [reports_on(result, everything) for result in (a, b)]
    reports = list({report.file: report for of_one in of_each for report in of_one}.values())
    if not reports:
        return None
    leaked = {task: leaked_queries(reports, task) & set(pair[0].scores) for task, pair in pairs.items()}
    left = {task: pair for task, pair in pairs.items() if set(pair[0].scores) - leaked[task]}
    again = left and any(leaked.values())
    return WithoutLeaks(
        reports=tuple(reports),
        removed={task: len(queries) for task, queries in leaked.items()},
        judged=judge(left, request.measure, without=leaked, procedure=request.procedure) if again else None,
        emptied=tuple(task for task in pairs if task not in left),
        uncovered=tuple(task for task in pairs if not all(task in report.queries for report in reports)),
    )


def _prompts(
    request: CompareRequest, results: Sequence[TaskResult], paired: Paired
) -> tuple[PromptWorth, ...]:
    tasks = list(paired.pairs)
    found = [
        prompt_worth(results, asked, tasks, request.measure, request.procedure)
        for asked in next(iter(paired.pairs.values()))
    ]
    return tuple({worth.retriever: worth for worth in found if worth is not None}.values())


def _unreported(backgrounds: Sequence[Background], pair: Pair, reports: list[LeakReport]) -> Iterator[str]:
    """A line on each model of one's own whose training data was not searched for these queries."""
    for side, result in zip(backgrounds, pair, strict=True):
        if side.trained and not reports_on(result, reports):
            yield (
                f"no contamination report on {side.retriever} is here: `medsearch contamination` tells which "
                "queries its training has seen"
            )


def _warnings(pairs: Sequence[Pair]) -> list[str]:
    """What the evaluations warned of, each once."""
    lines = [f"{result.task}: {line}" for pair in pairs for result in pair for line in result.warnings]
    return list(dict.fromkeys(lines))
