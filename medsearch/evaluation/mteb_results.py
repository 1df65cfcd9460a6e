"""Results in mteb's own format and folder layout, which is that of its public results repository.

Under `FOLDER/results/ORGANISATION__MODEL/REVISION/` lie a `TASK.json` each, `model_meta.json` and
`run_settings.jsonl`.
Importing this imports mteb, which takes seconds: do it in the function that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mteb
from mteb.abstasks import AbsTask
from mteb.cache import ResultCache
from mteb.models.model_meta import ModelMeta
from mteb.results import TaskResult

from medsearch.errors import MedsearchError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.mteb_models import Replay, model_meta
from medsearch.evaluation.mteb_tasks import TaskFacts, local_task
from medsearch.types import Collection, ModelSpec


def write_local_result(
    folder: Path,
    collection: Collection,
    evaluation: Evaluation,
    *,
    specs: Sequence[ModelSpec],
    settings: Mapping[str, Any],
    facts: TaskFacts | None = None,
) -> Path:
    """Keep an evaluation of a corpus of ours as mteb would have; `settings` are the result record's.

    mteb scores the run that is there: nothing is searched again. Returns the file.
    """
    task = local_task(collection, facts)
    meta = model_meta(evaluation.retriever, specs, settings)
    scores = task.evaluate(Replay(evaluation.run, meta), collection.split, encode_kwargs={})
    result = TaskResult.from_task_results(
        task, {collection.split: scores}, evaluation.seconds, date=datetime.now(UTC)
    )
    return save_result(folder, result, meta)


def save_result(folder: Path, result: TaskResult, meta: ModelMeta) -> Path:
    """Keep a result where mteb looks for it, beside those of other splits and subsets; returns the file.

    A result of another revision of the data set is replaced.

    Raises:
        MedsearchError: if a file in the way is not one of mteb's.
    """
    file = result_file(folder, result.task_name, meta)
    if file.exists():
        result = _merged(_read(file), result)
    ResultCache(folder).save_to_cache(result, meta)
    return file


def _read(file: Path) -> TaskResult:
    try:
        return TaskResult.from_disk(file)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise MedsearchError(f"{file}: not a result of mteb ({reason}): remove it") from None


def _merged(before: TaskResult, now: TaskResult) -> TaskResult:
    """Both, where they are of the same data; `now` alone where it says all that `before` did."""
    if _parts(before) <= _parts(now) or not before.is_mergeable(now):
        return now
    return before.merge(now)


def _parts(result: TaskResult) -> set[tuple[str, str]]:
    return {(split, row["hf_subset"]) for split, rows in result.scores.items() for row in rows}


def result_file(folder: Path, task: str, meta: ModelMeta) -> Path:
    """Where mteb keeps this model's results of the task that it calls so."""
    return ResultCache(folder).get_task_result_path(task, meta)


def has_result(folder: Path, task: AbsTask, meta: ModelMeta) -> bool:
    """Whether mteb has a result there of this task's data, for every split and subset that is asked for.

    Raises:
        MedsearchError: if a file in the way is not one of mteb's.
    """
    file = result_file(folder, task.metadata.name, meta)
    if not file.exists():
        return False
    kept = _read(file)
    wanted = {(split, subset) for split in task.eval_splits for subset in task.hf_subsets}
    return kept.dataset_revision == task.metadata.dataset["revision"] and wanted <= _parts(kept)


def evaluate_with_mteb(
    task: AbsTask, model: Any, *, keep_in: Path | None = None, again: bool = False
) -> TaskResult:
    """`mteb.evaluate`, quietly: the one result.

    With `keep_in` mteb keeps it there, and gives back what it kept before unless `again`.
    """
    found = mteb.evaluate(
        model,
        task,
        cache=None if keep_in is None else ResultCache(keep_in),
        overwrite_strategy="always" if again else "only-missing",
        co2_tracker=False,
        show_progress_bar=False,
        encode_kwargs={"batch_size": 32, "show_progress_bar": False},
    )
    [result] = found.task_results
    return result
