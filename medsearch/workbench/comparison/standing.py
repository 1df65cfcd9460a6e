"""What must stand beside a retriever's scores: candidates tried, looks at the test set, and all marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medsearch.evaluation.fairness import UNCHECKED
from medsearch.evaluation.guards import is_known
from medsearch.evaluation.lineage import candidates_tried, nearest, own_models, provenances_of, summary_of
from medsearch.evaluation.looks import Look, Standing, looks_at, looks_at_task
from medsearch.evaluation.provenance import OF_MODELS, Provenance, SelectionTask, speaks_of
from medsearch.evaluation.results import TaskResult
from medsearch.evaluation.selection_leak import CHOSEN_ON, FORCED, selection_leak, shared_mark
from medsearch.evaluation.used_models import Spec, is_dense, main_model, models_of


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

    What a result keeps of its model's provenance counts before what lies beside the weights now. Of one that
    reranks, both models count: the more candidates and looks, and the marks of either.

    Raises:
        MedsearchError: its provenance is there and cannot be read.
    """
    specs = _with_vectors(results[0])
    now = {result.task: _of_this(result) for result in results}
    kept = [pair for result in results for pair in _kept(result).items()]
    kept = kept or [(name, summary_of(found)) for of_task in now.values() for name, found in of_task.items()]
    families = _families(specs, dict(reversed(kept))) or (results[0].retriever,)
    candidates = [number for _, one in kept for number in candidates_tried(one)]
    return Background(
        retriever=results[0].retriever,
        family=families[0],
        trained=any(own_models(spec) for spec in specs.values()),
        candidates=max(candidates, default=None),
        looks=None if looks is None else _looks(results, looks, families),
        marks={result.task: _marks(result, _known(now[result.task].values())) for result in results},
    )


def _with_vectors(result: TaskResult) -> dict[str, Spec]:
    """The models that one may have trained, the one it is named after first; BM25 where there is no other."""
    models = models_of(result)
    return {name: spec for name, spec in models.items() if is_dense(spec)} or dict([*models.items()][:1])


def _kept(result: TaskResult) -> Mapping[str, Mapping[str, Any]]:
    """What a result keeps of its models' provenance, by their names: of one alone, it is the main model's."""
    if not result.provenance:
        return {}
    of_models = result.provenance.get(OF_MODELS)
    return of_models or {str(main_model(result).get("name") or ""): result.provenance}


def _of_this(result: TaskResult) -> dict[str, tuple[Provenance | None, ...]]:
    """Model -> what lies there now, of it and its base, if it is of what the result was made with."""
    kept = _kept(result)
    found = {name: provenances_of(spec, strict=False) for name, spec in _with_vectors(result).items()}
    for name, (own, *others) in ((name, each) for name, each in found.items() if each):
        if own is not None and not speaks_of(own, str(kept.get(name, {}).get("weights_sha256") or "")):
            found[name] = (None, *others)
    return {name: each for name, each in found.items() if nearest(each) is not None}


def _known(found: Iterable[tuple[Provenance | None, ...]]) -> list[Provenance]:
    """Of each model the provenance with all that is known of it."""
    return [provenance for provenance in map(nearest, found) if provenance is not None]


def _families(specs: Mapping[str, Spec], kept: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What each model's looks are counted under."""
    of_each = (
        str(spec.get("family") or kept.get(name, {}).get("family") or spec.get("name") or "")
        for name, spec in specs.items()
    )
    return tuple(dict.fromkeys(family for family in of_each if family))


def _looks(results: Sequence[TaskResult], looks: Sequence[Look], families: Sequence[str]) -> dict[str, int]:
    """Task -> looks of the family at it, or at the same judgements under another name; of two the most."""
    return {
        result.task: max(looks_at_task(looks, each, result.task, _judgements(result)) for each in families)
        for result in results
    }


def _judgements(result: TaskResult) -> str:
    return str(result.settings.get("qrels_hash") or "")


def _marks(result: TaskResult, written: Iterable[Provenance]) -> tuple[str, ...]:
    """Those of the result, and what became known after it was made."""
    marks = list(result.marks)
    for provenance in written:
        if {CHOSEN_ON, FORCED} & set(marks):
            break
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
