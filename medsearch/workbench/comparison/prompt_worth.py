"""What a query prompt is worth: a retriever beside itself, run without the prompt that its model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.evaluation.guards import Allowed, Pair, check_pairs
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import declares_prompt
from medsearch.evaluation.verdicts import USUAL, Procedure
from medsearch.search.names import WITHOUT_PROMPT
from medsearch.workbench.comparison.pairing import Judged, by_task, judge


@dataclass(frozen=True, slots=True)
class PromptWorth:
    """`judged` has the retriever without its prompt as A and with it as B; `None` where nothing is there.

    `missing` is retriever -> the tasks that it was not evaluated on.
    """

    retriever: str
    judged: Judged | None
    missing: Mapping[str, tuple[str, ...]]

    def commands(self, folder: Path) -> list[str]:
        """What to run to learn the rest, and for which tasks."""
        return [
            f"`medsearch evaluate SUITE --models {retriever} --out {folder}` (for {', '.join(tasks)})"
            for retriever, tasks in self.missing.items()
        ]


def prompt_worth(
    results: Sequence[TaskResult],
    asked: TaskResult,
    tasks: Sequence[str],
    measure: str,
    procedure: Procedure = USUAL,
) -> PromptWorth | None:
    """The worth of the prompt of the retriever that made `asked`; `None` if its model declares none.

    Raises:
        UnfairError: its results with and without differ in more than the prompt.
    """
    if not declares_prompt(asked):
        return None
    name = asked.retriever.removesuffix(WITHOUT_PROMPT)
    bare = f"{name}{WITHOUT_PROMPT}"
    with_prompt, without = (
        by_task(result for result in results if result.retriever == retriever) for retriever in (name, bare)
    )
    pairs: dict[str, Pair] = {
        task: (without[task], with_prompt[task]) for task in tasks if task in without and task in with_prompt
    }
    if pairs:
        check_pairs(list(pairs.values()), Allowed(no_prompt=frozenset({bare})))
    absent = {
        retriever: tuple(task for task in tasks if task not in there)
        for retriever, there in ((name, with_prompt), (bare, without))
    }
    return PromptWorth(
        retriever=name,
        judged=judge(pairs, measure, procedure=procedure) if pairs else None,
        missing={retriever: lacking for retriever, lacking in absent.items() if lacking},
    )
