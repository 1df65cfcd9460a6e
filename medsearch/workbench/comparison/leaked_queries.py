"""Which queries of a task a model has seen in training, from the contamination reports of a results folder.

A report is `DIR/contamination/NAME.json`, made by `medsearch contamination`; it is about the models that its
field `models` names, or else about the model that the file is named after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.used_models import models_of

FOLDER = "contamination"


@dataclass(frozen=True, slots=True)
class LeakReport:
    """One report: `leaks` pairs were found; `queries` is task -> ids of the leaked ones, if it covers it."""

    file: Path
    models: frozenset[str]
    leaks: int
    queries: Mapping[str, frozenset[str]]


def read_leak_reports(folder: Path) -> list[LeakReport]:
    """Every report of a results folder; none where `medsearch contamination` was not run.

    Raises:
        MedsearchError: naming the file that is not a report.
    """
    return [_read(file) for file in sorted((folder / FOLDER).glob("*.json"))]


def reports_on(result: TaskResult, reports: list[LeakReport]) -> list[LeakReport]:
    """The reports on a retriever, or on a model that it uses."""
    names = {result.retriever, *models_of(result)}
    names |= {file_name(name) for name in names}
    return [report for report in reports if report.models & names]


def leaked_queries(reports: list[LeakReport], task: str) -> frozenset[str]:
    """Ids of the queries of `task` that any of the reports names."""
    return frozenset().union(*(report.queries.get(task, frozenset()) for report in reports))


def _read(file: Path) -> LeakReport:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return LeakReport(
            file=file,
            models=frozenset(_texts(record["models"])) if "models" in record else frozenset({file.stem}),
            leaks=int(record["leaks"]),
            queries={
                str(task): frozenset(_texts(row["leaked_queries"]))
                for task, row in record["by_benchmark"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise MedsearchError(
            f"{file}: not a contamination report ({type(error).__name__}: {said}); make it again with "
            "`medsearch contamination`, or remove it"
        ) from None


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list):
        raise TypeError(f"a list is due, not {type(values).__name__}")
    return [str(value) for value in values]
