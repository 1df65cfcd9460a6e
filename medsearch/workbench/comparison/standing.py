"""What must stand beside a retriever's scores: candidates tried, looks at the test set, and all marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medsearch.evaluation.fairness import UNCHECKED
from medsearch.evaluation.guards import is_known
from medsearch.evaluation.looks import Look, Standing, looks_at, looks_at_task
from medsearch.evaluation.provenance import (
    Provenance,
    SelectionTask,
    read_provenance,
    speaks_of,
    trained_folder,
)
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.selection_leak import CHOSEN_ON, FORCED, selection_leak, shared_mark
from medsearch.evaluation.used_models import main_model


@dataclass(frozen=True, slots=True)
class Background:
    """A retriever's history: `looks` is task -> evaluations of its family (`None`: no ledger is kept).

    `trained` says that its model is one's own; `candidates` is `None` where nobody wrote it down.
    """

    retriever: str
    family: str
    trained: bool
    candidates: int | None
    looks: Mapping[str, int] | None
    marks: Mapping[str, tuple[str, ...]]

    def standing(self, tasks: Iterable[str]) -> Standing:
        """The standing of a score on one task, or of a mean over several."""
        return Standing(self.candidates, None if self.looks is None else looks_at(self.looks, tasks))


def background_of(results: Sequence[TaskResult], looks: Sequence[Look] | None) -> Background:
    """The history of one retriever, given its results (at least one).

    What a result keeps of its model's provenance counts before what lies beside the weights now.

    Raises:
        MedsearchError: its provenance is there and cannot be read.
    """
    spec = main_model(results[0])
    folder = trained_folder(str(spec.get("source") or ""))
    written = None if folder is None else read_provenance(folder)
    now = {result.task: _of_this(result, written) for result in results}
    kept = [result.provenance for result in results if result.provenance]
    kept = kept or [one.summary() for one in now.values() if one is not None]
    family = str(spec.get("family") or (kept[0].get("family") if kept else "") or spec.get("name") or "")
    candidates = [one["candidates"] for one in kept if one.get("candidates")]
    return Background(
        retriever=results[0].retriever,
        family=family or results[0].retriever,
        trained=folder is not None,
        candidates=max(candidates, default=None),
        looks=None if looks is None else _looks(results, looks, family or results[0].retriever),
        marks={result.task: _marks(result, now[result.task]) for result in results},
    )


def _of_this(result: TaskResult, provenance: Provenance | None) -> Provenance | None:
    """The provenance that lies there now, if it is that of the model which the result was made with."""
    if provenance is None or not speaks_of(provenance, str(main_model(result).get("sha256") or "")):
        return None
    then = str(result.provenance.get("weights_sha256") or "")
    return provenance if speaks_of(provenance, then) else None


def _looks(results: Sequence[TaskResult], looks: Sequence[Look], family: str) -> dict[str, int]:
    """Task -> looks of the family at it, or at the same judgements under another name."""
    return {result.task: looks_at_task(looks, family, result.task, _judgements(result)) for result in results}


def _judgements(result: TaskResult) -> str:
    return str(result.settings.get("qrels_hash") or "")


def _marks(result: TaskResult, provenance: Provenance | None) -> tuple[str, ...]:
    """Those of the result, and what became known after it was made."""
    marks = list(result.marks)
    if provenance and not {CHOSEN_ON, FORCED} & set(marks):
        task = SelectionTask.model_construct(
            corpus=result.corpus,
            split=result.split,
            qrels_hash=_judgements(result),
            query_keys=tuple(result.query_keys.values()),
        )
        leaks = selection_leak(provenance, task) is not None
        marks += [mark for mark in (CHOSEN_ON if leaks else shared_mark(provenance, task),) if mark]
    if not is_known(result):
        marks.append(UNCHECKED)
    return tuple(dict.fromkeys(marks))
