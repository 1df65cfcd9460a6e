"""What must stand beside a retriever's scores: candidates tried, looks at the test set, and all marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medsearch.evaluation.fairness import UNCHECKED
from medsearch.evaluation.guards import is_known
from medsearch.evaluation.looks import Look, Standing, count_looks, looks_at
from medsearch.evaluation.provenance import Provenance, SelectionTask, read_provenance, trained_folder
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.selection_leak import CHOSEN_ON, FORCED, selection_leak
from medsearch.evaluation.used_models import family_of, main_model


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

    Raises:
        MedsearchError: its provenance is there and cannot be read.
    """
    spec = main_model(results[0])
    folder = trained_folder(str(spec.get("source") or ""))
    provenance = None if folder is None else read_provenance(folder)
    family = family_of(spec) or results[0].retriever
    return Background(
        retriever=results[0].retriever,
        family=family,
        trained=folder is not None,
        candidates=provenance.selection.candidates if provenance else None,
        looks=None if looks is None else count_looks(looks, family),
        marks={result.task: _marks(result, provenance) for result in results},
    )


def _marks(result: TaskResult, provenance: Provenance | None) -> tuple[str, ...]:
    """Those of the result, and what became known after it was made."""
    marks = list(result.marks)
    task = SelectionTask.model_construct(
        corpus=result.corpus, split=result.split, qrels_hash=str(result.settings.get("qrels_hash") or "")
    )
    if provenance and not {CHOSEN_ON, FORCED} & set(marks) and selection_leak(provenance, task):
        marks.append(CHOSEN_ON)
    if not is_known(result):
        marks.append(UNCHECKED)
    return tuple(marks)
