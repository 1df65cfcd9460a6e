"""Reads what evaluations left in a folder: one retriever on one task, with all that makes it comparable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.measures import mean_scores

PRIMARY = "nDCG@10"
"""The measure that comparisons are made by unless another is asked for; mteb's main score of retrieval."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One retriever on one task.

    `scores` is query_id -> measure -> score in [0, 1]. `settings` is what must be known of a run to compare
    it, `cost` its price (empty where not measured), `marks` what has to be said wherever a score is shown.
    """

    corpus: str
    split: str
    retriever: str
    documents: int
    queries_judged: int
    scores: Mapping[str, Mapping[str, float]]
    settings: Mapping[str, Any]
    cost: Mapping[str, Any]
    marks: tuple[str, ...]
    warnings: tuple[str, ...]
    git_revision: str
    created: str
    file: Path
    query_keys: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """The name of the task: "CORPUS:SPLIT"."""
        return f"{self.corpus}:{self.split}"

    @property
    def means(self) -> dict[str, float]:
        """Measure -> mean over the queries."""
        return mean_scores(self.scores)

    @property
    def run_file(self) -> Path:
        """The TREC run beside the result."""
        return self.file.with_suffix(".run")

    @property
    def qrels_file(self) -> Path:
        """The TREC judgements beside the result."""
        return self.file.with_suffix(".qrels")


def read_results(folder: Path) -> list[TaskResult]:
    """Every result in `folder` (not in folders inside it), by task and retriever.

    Raises:
        UsageError: if there is no such folder, or no result in it.
        MedsearchError: naming the file, if one is not a result that this medsearch can read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; make one with `medsearch evaluate SUITE --out {folder}`")
    found = [result for file in sorted(folder.glob("*.json")) for result in read_result_file(file)]
    if not found:
        raise UsageError(f"{folder} has no results: make some with `medsearch evaluate SUITE --out {folder}`")
    return sorted(found, key=lambda result: (result.task, result.retriever, str(result.file)))


def of_retriever(results: Iterable[TaskResult], retriever: str) -> list[TaskResult]:
    """The results of one retriever.

    Raises:
        UsageError: if there is none; the message names those that are there.
    """
    everything = list(results)
    mine = [result for result in everything if result.retriever == retriever]
    if mine:
        return mine
    names = sorted({result.retriever for result in everything})
    close = get_close_matches(retriever, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"
    raise UsageError(
        f"no result of {retriever!r} in {everything[0].file.parent if everything else '.'}; {hint}"
    )


def read_result_file(file: Path) -> list[TaskResult]:
    """The results of one file; none of a JSON file that is something else."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise MedsearchError(f"{file}: not readable as a result ({_first_line(error)}): remove it") from None
    return results_of(record, file) if isinstance(record, dict) and "per_query" in record else []


def results_of(record: Mapping[str, Any], file: Path) -> list[TaskResult]:
    """The results of a record, one a retriever; `file` is where it was read from.

    Raises:
        MedsearchError: naming the file, if a field is missing or wrong.
    """
    try:
        return [_result(record, retriever, file) for retriever in record["per_query"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MedsearchError(
            f"{file}: not a result of this medsearch ({type(error).__name__}: {_first_line(error)}): "
            "remove it, or evaluate again"
        ) from None


def _result(record: Mapping[str, Any], retriever: str, file: Path) -> TaskResult:
    scores = {
        str(query_id): {str(measure): float(score) for measure, score in row.items()}
        for query_id, row in record["per_query"][retriever].items()
    }
    if not scores:
        raise ValueError("it scores no query")
    mean_scores(scores)  # each query has every measure, or this says which is missing
    return TaskResult(
        corpus=str(record["corpus"]),
        split=str(record["split"]),
        retriever=retriever,
        documents=int(record["documents"]),
        queries_judged=int(record["queries_judged"]),
        scores=scores,
        settings=dict(record["settings"]),
        cost=dict(record.get("cost", {}).get(retriever, {})),
        marks=_texts(record.get("marks", {}).get(retriever, ())),
        warnings=_texts(record.get("warnings", ())),
        git_revision=str(record["git_revision"]),
        created=str(record["created"]),
        file=file,
        query_keys={str(key): str(value) for key, value in record.get("query_keys", {}).items()},
        provenance=dict(record.get("provenance", {}).get(retriever, {})),
    )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
