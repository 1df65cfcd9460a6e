"""The contamination reports of a results folder as a page shows them: counts, no text and no pair."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError
from medsearch.workbench.comparison.leaked_queries import FOLDER


@dataclass(frozen=True, slots=True)
class TrainingFileFacts:
    """A training file by its name, without the folders it was in; `sha256` "" where it is not known."""

    name: str
    sha256: str
    rows: int
    texts: int


@dataclass(frozen=True, slots=True)
class BenchmarkFacts:
    """What of a task is in the training set: texts found, and how many were looked for (`None`: not said)."""

    task: str
    queries: int
    relevant: int
    documents: int
    checked: tuple[int | None, int | None, int | None]
    leaked_queries: int


@dataclass(frozen=True, slots=True)
class ContaminationFacts:
    """One report. `models` are those it is about; `remarks` what it could not check.

    Where no model was named, `models` holds the file's name and `named` is false; `fields` were asked for.
    """

    models: tuple[str, ...]
    suite: str
    train: tuple[TrainingFileFacts, ...]
    leaks: int
    benchmarks: tuple[BenchmarkFacts, ...]
    remarks: tuple[str, ...]
    created: str
    fields: tuple[str, ...] = ()
    named: bool = True


def read_contamination(folder: Path) -> list[ContaminationFacts]:
    """Every report of a results folder, by file name; none where `medsearch contamination` was not run.

    Raises:
        MedsearchError: naming the file that is not a report.
    """
    return [_read(file) for file in sorted((folder / FOLDER).glob("*.json"))]


def _read(file: Path) -> ContaminationFacts:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return _facts(record, file.stem)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise MedsearchError(
            f"{file}: not a contamination report ({type(error).__name__}: {said}); make it again with "
            "`medsearch contamination`, or remove it"
        ) from None


def _facts(record: Mapping[str, Any], stem: str) -> ContaminationFacts:
    unchecked = [f"{task} was not checked: {why}" for task, why in record.get("unchecked", {}).items()]
    return ContaminationFacts(
        models=tuple(str(name) for name in record.get("models", [stem])),
        suite=str(record.get("suite") or ""),
        train=tuple(_training_file(row) for row in record["train"]),
        leaks=int(record["leaks"]),
        benchmarks=tuple(_benchmark(str(task), row) for task, row in record["by_benchmark"].items()),
        remarks=(*unchecked, *(str(line) for line in record.get("remarks", []))),
        created=str(record.get("created") or ""),
        fields=tuple(str(name) for name in record.get("fields_asked_for", [])),
        named="models" in record,
    )


def _training_file(row: Mapping[str, Any]) -> TrainingFileFacts:
    return TrainingFileFacts(
        Path(str(row["file"])).name, str(row.get("sha256") or ""), int(row["rows"]), int(row["texts"])
    )


def _benchmark(task: str, row: Mapping[str, Any]) -> BenchmarkFacts:
    queries, relevant, documents = (
        row.get(f"{part}_checked") for part in ("queries", "relevant", "documents")
    )
    return BenchmarkFacts(
        task,
        int(row["queries"]),
        int(row["relevant"]),
        int(row["documents"]),
        (queries, relevant, documents),
        len(row["leaked_queries"]),
    )
