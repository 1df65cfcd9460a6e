"""The stage that trains: a recipe becomes a model folder. Stopped at any time, it goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medsearch.encoders.merged import weights_key
from medsearch.errors import MedsearchError, UsageError
from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from medsearch.types import ModelKind
from pipeline.run_folder import open_run
from pipeline.settings import PipelineSettings
from pipeline.training.base_model import base_spec
from pipeline.training.data.sources import SourceReader
from pipeline.training.folder import ABLATIONS, CLEAN, TrainingFolder
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.processes import first_says, is_first, meet, wait_for_all, world_size
from pipeline.training.recipe import NOT_OF_WEIGHTS, TrainRecipe
from pipeline.training.running.precision import chosen_precision

_TRAINED_BY = (
    "kind",
    "base",
    "query_prompt",
    "max_tokens",
    "dim",
    "data",
    "train",
    "loss",
    "lora",
    "distill",
    "late",
)
"""Parts of a recipe that its weights depend on; the others may change after training."""

_BASE = "base weights"


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What is asked for: `run` names the folder, `restart` begins anew, `strict` allows no bad row.

    `by` is what the recipe is called, for the provenance.
    """

    recipe: TrainRecipe
    run: str
    restart: bool = False
    strict: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: the training, and the finished model's folder (`None` on all but the first device).

    `files` are those that were read.
    """

    folder: TrainingFolder
    trained: Trained
    model: Path | None
    files: tuple[Path, ...]


def train_run(request: TrainRequest, settings: PipelineSettings, progress: Progress) -> Made:
    """Train, choose and publish; each part that an earlier sitting finished is not done again.

    Raises:
        UsageError: the recipe does not fit its base or its data, data is not there, or no run can have this
            name.
        MedsearchError: another process has the folder, or it was begun with another recipe or other data.
    """
    folder = training_folder(request.run, settings.training)
    meet()
    with folder.held() if is_first() else nullcontext():
        if request.restart and is_first():
            forget(folder)
        job = begun_job(request, folder, settings, progress)
        wait_for_all()  # what the first process took away, the others must not find
        trained = train_model_of(job)
        files = tuple(source.file for source in job.sources)
        return Made(folder, trained, published(job, trained) if is_first() else None, files)


def training_folder(run: str, training: Path) -> TrainingFolder:
    """The folder of a run in that of all training runs; it need not be there yet.

    Raises:
        UsageError: the name could not be a folder's, or is that of a folder which runs share.
    """
    folder = TrainingFolder(open_run(run, training).path)
    if folder.name.lower() in (CLEAN, ABLATIONS):  # some disks take "Clean" for the same
        raise UsageError(
            f"no training run can be called {folder.name!r}: what runs share lies under this name in "
            f"{training}: give another with --run"
        )
    return folder


def begun_job(
    request: TrainRequest, folder: TrainingFolder, settings: PipelineSettings, progress: Progress
) -> TrainingJob:
    """Everything that training needs, checked against what the folder was begun with.

    Raises:
        UsageError: as `train_run`.
        MedsearchError: the recipe or the data are others than the folder was begun with.
    """
    from pipeline.training.data.clean import CleanRequest, clean_sources
    from pipeline.training.panel.build import build_panel

    recipe = request.recipe
    base_spec(recipe, settings.search)
    wanted = recipe.loss.negatives > 0
    reader = SourceReader(settings.runs, recipe.train.seed, progress, strict=request.strict, negatives=wanted)
    shared = settings.training / CLEAN
    asked = CleanRequest(recipe.clean_of, folder.data, strict=request.strict, shared=shared)
    files = reader.files(recipe.data)
    clean = first_says(lambda: clean_sources(files, asked, settings.search, progress))
    sources = reader.read(recipe.data, clean)
    job = TrainingJob(recipe, folder, settings.search, sources, (), progress, request.by)
    if not is_first():
        return job
    reader.keep_rejects(folder.rejects)
    _keep_plan(job)
    panel = build_panel(recipe.select, recipe.base, settings.search, progress, keep=folder.panel)
    return replace(job, panel=panel)


def train_model_of(job: TrainingJob) -> Trained:
    """Train the kind of model that the recipe asks for."""
    if job.recipe.kind is ModelKind.LATE_INTERACTION:
        from pipeline.training.late.train import train_late

        return train_late(job)
    from pipeline.training.dense.train import train_dense

    return train_dense(job)


def published(job: TrainingJob, trained: Trained) -> Path:
    """Choose among the candidates on the dev panel, and write the model's folder."""
    from pipeline.training.choosing.select import select
    from pipeline.training.publishing.publish import publish

    return publish(job, trained, select(job, trained))


def forget(folder: TrainingFolder) -> None:
    """Remove what a training left. What a teacher said stays: it depends on the texts alone."""
    for path in (folder.checkpoints, folder.panel, folder.path / "candidates", folder.model):
        shutil.rmtree(path, ignore_errors=True)
    for path in (
        folder.finished, folder.recipe, folder.history, folder.curve, folder.rejects, folder.selection
    ):  # fmt: skip
        path.unlink(missing_ok=True)


def _keep_plan(job: TrainingJob) -> None:
    """Remember what the weights depend on, or refuse to go on with something else."""
    plan = _plan(job)
    if job.folder.recipe.is_file():
        try:
            kept = json.loads(job.folder.recipe.read_text("utf-8"))
            begun = _as_today(kept["plan"], kept.get("recipe", {}), plan)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MedsearchError(f"{job.folder.recipe} is damaged: --restart trains anew") from None
        if any(begun.get(key) != plan.get(key) for key in {*begun, *plan}):
            raise MedsearchError(
                f"{job.folder.path} was begun with {_difference(begun, plan)}: give --restart to train "
                "anew, or another --run"
            )
    now = {"recipe": json.loads(job.recipe.model_dump_json()), "plan": plan}
    replace_file(job.folder.recipe, json.dumps(now, indent=1, ensure_ascii=False).encode() + b"\n")


def _plan(job: TrainingJob) -> dict[str, Any]:
    spec = base_spec(job.recipe, job.settings)
    return _weighed(job.recipe) | {
        _BASE: list(weights_key(spec, cache=job.settings.cache)),
        "texts": {source.name: source.sha256 for source in job.sources},
        "devices": world_size(),
        "precision": chosen_precision(job.recipe.train.precision).value,
    }


def _weighed(recipe: TrainRecipe) -> dict[str, Any]:
    kept = recipe.model_dump_json(include=set(_TRAINED_BY), exclude=NOT_OF_WEIGHTS)
    parts: dict[str, Any] = json.loads(kept)
    return parts


def _as_today(
    begun: Mapping[str, Any], recipe: Mapping[str, Any], now: Mapping[str, Any]
) -> Mapping[str, Any]:
    """An older run's plan as it would be written now.

    Keys of a recipe that it did not know have their defaults. It knew its base by one SHA-256, and a base of
    the hub that was pinned by its commit alone not at all.
    """
    today = dict(begun)
    base = today.get(_BASE)
    if not isinstance(base, list):
        today[_BASE] = [base] if base else now[_BASE]
    try:
        known = {key: today[key] for key in _TRAINED_BY if key in today}
        return today | _weighed(TrainRecipe.model_validate({**recipe, **known}))
    except ValidationError:  # a key of it is not known any more: that is a difference
        return today


def _difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing that is not as it was."""
    for key in sorted({*begun, *now}):
        old, new = begun.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = next(name for name in sorted({*old, *new}) if old.get(name) != new.get(name))
            key, old, new = f"{key}.{inner}", old.get(inner), new.get(inner)
        short = len(repr(old)) + len(repr(new)) <= 100 and not key.startswith(("texts", _BASE))
        return f"{key} = {old!r}, now it is {new!r}" if short else f"other {key}"
    raise AssertionError("plans that differ have a key that differs")
