"""How much each task weighs in a mean over tasks: parts of one mteb task share the weight of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

_HUB = "mteb:"


def task_group(task: str) -> str:
    """What a task is a part of: "mteb:NAME" of "mteb:NAME/SUBSET:SPLIT", else the task itself.

    The subsets (languages) and splits (specialties) of a task of mteb are mostly the same queries again.
    """
    return task.rpartition(":")[0].partition("/")[0] if task.startswith(_HUB) else task


def task_weights(tasks: Iterable[str]) -> dict[str, float]:
    """Task -> its weight in the mean, of sum 1: each task weighs the same, and an mteb task as one.

    The parts of an mteb task share its weight evenly, so that 33 parts of CUREv1 count once and not 33 times
    (mteb too averages the parts of a task before it averages tasks).
    """
    names = list(tasks)
    parts = Counter(map(task_group, names))
    return {task: 1 / (len(parts) * parts[task_group(task)]) for task in names}


def shared_weights(tasks: Iterable[str]) -> dict[str, int]:
    """The mteb tasks of which there are several parts -> how many."""
    return {group: number for group, number in Counter(map(task_group, tasks)).items() if number > 1}


def mean_over_tasks(tasks: Mapping[str, Mapping[str, float]]) -> float:
    """The mean over tasks of their means over queries, weighted by `task_weights`.

    `tasks` is task -> query_id -> score, at least one task and one query of each.
    """
    weights = task_weights(tasks)
    return sum(weights[task] * sum(scores.values()) / len(scores) for task, scores in tasks.items())
