"""Which queries of several tasks are one and the same, so that they are counted as one piece of evidence.

Two test collections may ask the same question, and the parts of an mteb task ask the same ones in several
languages. What a retriever does with such a question on one task, it mostly does on the other: taken as
independent, they make chance look like a finding (21 % instead of 5 % false positives where three tasks share
all queries).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.task_means import task_group, task_weights

Keys = Mapping[str, Mapping[str, str]]
"""task -> query_id -> a key of the query's words; tasks and queries may be missing."""

NO_KEYS: Keys = {}

FEW = 10
"""Clusters over several tasks whose pattern has fewer members than this are resampled together."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The queries of some tasks by what they share.

    Queries stand task by task in the order of `order`. `member` is the number of each query's cluster and
    `weight` what its score weighs in the mean over tasks, of shape (queries,) both. `strata` are numbers of
    clusters that may take each other's place: those with as many queries on each task.
    """

    order: Mapping[str, tuple[str, ...]]
    member: NDArray[np.intp]
    weight: NDArray[np.float64]
    strata: tuple[NDArray[np.intp], ...]

    def __len__(self) -> int:
        """The number of clusters."""
        return int(self.member.max()) + 1 if len(self.member) else 0

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each cluster adds to the mean over tasks: shape (queries,) to (clusters,)."""
        sums = np.zeros(len(self))
        np.add.at(sums, self.member, values * self.weight)
        return sums

    def parts(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The clusters' sums by stratum, each times the stratum's size: their means add up to the mean.

        Of tasks that share no query each part is a task, its queries' values times the task's weight.
        """
        sums = self.sums(values)
        return [len(stratum) * sums[stratum] for stratum in self.strata]


def cluster_queries(tasks: Mapping[str, Sequence[str]], keys: Keys = NO_KEYS) -> Clusters:
    """Cluster the queries of `tasks` (task -> query ids): by key, and by id over the parts of an mteb task.

    A query without a key that no other part of its mteb task has is a cluster of its own.
    """
    order = {task: tuple(tasks[task]) for task in sorted(tasks)}
    weights = task_weights(order)
    member = _numbered(list(_names(order, keys)))
    of_task = np.concatenate([np.full(len(ids), place) for place, ids in enumerate(order.values())])
    patterns = np.zeros((int(member.max()) + 1, len(order)), dtype=np.int64)  # (clusters, tasks)
    np.add.at(patterns, (member, of_task), 1)
    return Clusters(
        order=order,
        member=member,
        weight=np.concatenate([np.full(len(ids), weights[task] / len(ids)) for task, ids in order.items()]),
        strata=tuple(_strata(patterns)),
    )


def _names(order: Mapping[str, Sequence[str]], keys: Keys) -> Iterator[list[tuple[str, str]]]:
    """All that each query is called; queries that share a name are one."""
    groups = [task_group(task) for task in order]
    for group, (task, ids) in zip(groups, order.items(), strict=True):
        known = keys.get(task, {})
        # Ids mean the same over the parts of an mteb task, and nothing over other tasks.
        prefix = group if groups.count(group) > 1 else task
        for query_id in ids:
            named = [(f"id of {prefix}", query_id)]
            yield [*named, ("key", known[query_id])] if known.get(query_id) else named


def _numbered(names: Sequence[Sequence[tuple[str, str]]]) -> NDArray[np.intp]:
    """The cluster of each query by its names, numbered in the order of their first queries."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(name: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, *others in names:
        for other in others:
            parent[root(other)] = root(first)
    roots = [root(called[0]) for called in names]
    number = {name: place for place, name in enumerate(dict.fromkeys(roots))}
    return np.array([number[name] for name in roots], dtype=np.intp)


def _strata(patterns: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Numbers of clusters by pattern, shape (clusters, tasks): those of single queries first, task by task.

    Rare patterns of several queries are put together: a stratum of one or two would hide their spread.
    """
    found: dict[bytes, list[int]] = {}
    for number, pattern in enumerate(patterns):
        found.setdefault(pattern.tobytes(), []).append(number)
    single = [members for members in found.values() if patterns[members[0]].sum() == 1]
    shared = [members for members in found.values() if patterns[members[0]].sum() > 1]
    rare = sorted(number for members in shared if len(members) < FEW for number in members)
    common = [members for members in shared if len(members) >= FEW]
    for members in (*single, *common, *([rare] if rare else [])):
        yield np.array(members, dtype=np.intp)
