"""What the runs of a leaderboard were made with: models as used, what was the same, and what differed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medsearch.evaluation.fairness import STORED_VECTORS
from medsearch.evaluation.guards import OF_ENCODING, OF_RUN, short_value
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import Spec, models_of, prompt_left_out
from medsearch.workbench.board.leaderboard import Board

OF_ALL_RUNS = (*OF_RUN, *OF_ENCODING, "fusion", "rerank", STORED_VECTORS)
_HASH = 16
_HASHES = ("corpus_hash", "queries_hash", "qrels_hash")


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model as it was run, and the retrievers that ran it so. `prompt_missing`: declared, but not used."""

    spec: Spec
    used_by: tuple[str, ...]
    prompt_missing: bool


@dataclass(frozen=True, slots=True)
class TaskConditions:
    """A task's own: how large it is, and what its files hash to (several where runs differ)."""

    task: str
    documents: tuple[int, ...]
    queries: tuple[int, ...]
    judged: tuple[int, ...]
    hashes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """All of it. `common` is field -> value; `differing` is field -> value -> retrievers that have it."""

    models: tuple[UsedModel, ...]
    common: Mapping[str, str]
    differing: Mapping[str, Mapping[str, tuple[str, ...]]]
    tasks: tuple[TaskConditions, ...]
    unknown: tuple[str, ...]


def conditions_of(board: Board) -> Conditions:
    """Read them from the results' settings; `unknown` are retrievers whose results name no model."""
    results = [result for row in board.rows for result in row.results.values()]
    values: dict[str, dict[str, dict[str, None]]] = {field: {} for field in OF_ALL_RUNS}
    for result in results:
        for field in OF_ALL_RUNS:
            if field in result.settings and result.settings[field] is not None:
                value = _text(result.settings[field])
                values[field].setdefault(value, {})[result.retriever] = None
    return Conditions(
        models=tuple(_models(results)),
        common={field: next(iter(found)) for field, found in values.items() if len(found) == 1},
        differing={
            field: {value: tuple(names) for value, names in found.items()}
            for field, found in values.items()
            if len(found) > 1
        },
        tasks=tuple(_task(task, results) for task in board.tasks),
        unknown=tuple(dict.fromkeys(result.retriever for result in results if not models_of(result))),
    )


def _models(results: list[TaskResult]) -> list[UsedModel]:
    found: dict[str, tuple[Spec, dict[str, None], bool]] = {}
    for result in results:
        left_out = prompt_left_out(result)
        for name, spec in models_of(result).items():
            key = json.dumps(spec, sort_keys=True, default=str)
            _, used_by, _ = found.setdefault(key, (spec, {}, left_out is not None and left_out[0] == name))
            used_by[result.retriever] = None
    return [UsedModel(spec, tuple(used_by), missing) for spec, used_by, missing in found.values()]


def _task(task: str, results: list[TaskResult]) -> TaskConditions:
    mine = [result for result in results if result.task == task]
    return TaskConditions(
        task=task,
        documents=_distinct(result.documents for result in mine),
        queries=_distinct(len(result.scores) for result in mine),
        judged=_distinct(result.queries_judged for result in mine),
        hashes=tuple(
            _distinct(str(result.settings[field])[:_HASH] for result in mine if field in result.settings)
            for field in _HASHES
        ),
    )


def _distinct(values: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(part)}" for key, part in value.items())
    return value if isinstance(value, str) else short_value(value)
