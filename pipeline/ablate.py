"""The stage that says what each part of the pipeline is worth: variants of a recipe, trained and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.evaluate import git_revision
from medsearch.protocols import Progress
from medsearch.workbench.suites import load_suite
from pipeline.ablation.comparison import rows_of
from pipeline.ablation.folder import ablation_folder
from pipeline.ablation.mined import refuse_unmined
from pipeline.ablation.page import Page
from pipeline.ablation.refilter import refilter
from pipeline.ablation.shorter import Lengths, asked_lengths
from pipeline.ablation.table import Ablation, Changes, load_ablation, slug
from pipeline.ablation.trained import Scored, train_and_score
from pipeline.ablation.variants import PlannedRun, chosen_variants, planned_runs
from pipeline.settings import PipelineSettings
from pipeline.train import forget
from pipeline.training.data.source_names import numbered
from pipeline.training.data.sources import SourceReader
from pipeline.training.folder import CLEAN, TrainingFolder
from pipeline.training.processes import world_size


@dataclass(frozen=True, slots=True)
class AblateRequest:
    """What is asked for: a name that comes with medsearch or a .toml file, and which of its variants.

    With `only` empty it is all of them; `restart` trains these anew.
    """

    ablation: str
    only: tuple[str, ...] = ()
    restart: bool = False


def ablate(request: AblateRequest, settings: PipelineSettings, progress: Progress) -> Page:
    """Train and score what is not trained and scored yet, and put all that was asked for beside the base.

    Stopped at any time, it goes on where it was. Every candidate is counted in the ledger of all trainings.

    Raises:
        UsageError: the ablation is not there or not valid, or what it reads is not there.
        MedsearchError: a variant's recipe or data are others than it was begun with, or another process is
            at this ablation.
    """
    if world_size() > 1:
        raise UsageError("ablate trains in one process: start it without torchrun")
    ablation, name = load_ablation(request.ablation), slug(Path(request.ablation).stem)
    folder = ablation_folder(settings.training, name)
    variants = chosen_variants(ablation, request.only)
    names = {variant.name for variant in variants}
    runs = [run for run in planned_runs(ablation, name, folder.path) if run.variant in names]
    with folder.held():
        _prepare(ablation, runs, folder, settings, progress)
        if request.restart:
            for path in dict.fromkeys(run.folder.path for run in runs):
                forget(TrainingFolder(path))  # not the panel, which is that of all variants
        lengths = asked_lengths(variants, {run.variant: run.recipe for run in runs})
        scored = _all_scored(runs, name, lengths, settings, progress)
    rows = rows_of(variants, scored, runs[0].recipe.base)
    return Page(
        name=name,
        description=ablation.description,
        command=_command(request),
        base=_base(runs[0], settings),
        settings=_settings(ablation, scored),
        suite=load_suite(runs[0].recipe.select.suite).name,
        queries={task: len(found) for task, found in scored[0].base.items()},
        documents=scored[0].documents,
        rows=rows,
        git_revision=git_revision(),
    )


def _prepare(
    ablation: Ablation,
    runs: Sequence[PlannedRun],
    folder: TrainingFolder,
    settings: PipelineSettings,
    progress: Progress,
) -> None:
    """What can fail does so before the first training; leaks are searched in all files at once."""
    from pipeline.training.data.clean import CleanRequest, clean_sources
    from pipeline.training.panel.build import choosing_suite

    choosing_suite(runs[0].recipe.select.suite, settings.search)
    read = {table.run for run in runs for table in run.recipe.data}
    for table in ablation.refilter:
        if table.run in read:
            kept = refilter(table, settings, progress)
            progress.say(f"{table.run}: {kept.kept:,} of {kept.taken:,} queries of {table.of}")
    files: dict[Path, str] = {}
    for run in runs:
        wanted = run.recipe.loss.negatives > 0
        reader = SourceReader(settings.runs, run.seed, progress, negatives=wanted)
        own = reader.files(run.recipe.data)
        refuse_unmined(run, own)
        files |= own
    named = dict(zip(files, numbered(files.values()), strict=True))
    asked = CleanRequest(runs[0].recipe.clean_of, folder.data, shared=settings.training / CLEAN)
    clean_sources(named, asked, settings.search, progress)


def _all_scored(
    runs: Sequence[PlannedRun],
    name: str,
    lengths: Mapping[str, Lengths],
    settings: PipelineSettings,
    progress: Progress,
) -> list[Scored]:
    scored = []
    with progress.stage(f"ablation {name}", len(runs)) as done:
        for number, run in enumerate(runs, 1):
            progress.say(f"{number} of {len(runs)}: {run.variant}, seed {run.seed}")
            try:
                scored.append(train_and_score(run, settings, progress, lengths.get(run.variant, ())))
            except MedsearchError as error:
                raise type(error)(f"variant {run.variant!r}: {error}") from None
            done(1)
    return scored


def _command(request: AblateRequest) -> str:
    """As anyone can give it: a file by its name alone, not by its place on this machine."""
    path = Path(request.ablation)
    only = "".join(f' "{name}"' for name in request.only)
    return f"python -m pipeline ablate {path.name}{f' --only{only}' if only else ''}".replace("`", "'")


def _base(run: PlannedRun, settings: PipelineSettings) -> str:
    """The base by name, and by its commit where it has one."""
    registry = load_registry(settings.search.models, cache=settings.search.cache)
    spec = find_model(run.recipe.base, registry)
    return f"{spec.name} ({spec.source}, {spec.revision})" if spec.source.startswith("hub:") else spec.name


def _changed(common: Changes) -> str:
    """The keys that all variants change, as TOML has them."""
    tables = common.model_dump(mode="json", exclude={"data"}, exclude_unset=True)
    return ", ".join(
        f"{table}.{key} = {json.dumps(value)}"
        for table, keys in tables.items()
        for key, value in keys.items()
    )


def _settings(ablation: Ablation, scored: Sequence[Scored]) -> dict[str, str]:
    """What all variants share, and where one differs, every value that there is."""

    def all_of(values: Sequence[object]) -> str:
        return " or ".join(str(value) for value in dict.fromkeys(values))

    recipes = [each.run.recipe for each in scored]
    return {
        "recipe": Path(ablation.recipe).name,
        "changed for all": _changed(ablation.common) or "nothing",
        "steps": all_of([each.facts.get("steps", "?") for each in scored]),
        "batch": all_of([recipe.train.batch for recipe in recipes]),
        "learning rate": all_of([f"{recipe.train.learning_rate:g}" for recipe in recipes]),
        "seed": all_of([each.run.seed for each in scored]).replace(" or ", " and "),
        "precision": all_of([each.facts.get("precision", "?") for each in scored]),
        "device": all_of([each.facts.get("device", "?") for each in scored]),
    }
