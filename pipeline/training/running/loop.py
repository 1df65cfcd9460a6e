"""Runs a trainer of sentence-transformers through a plan of batches: resumable, watched, quiet.

What is trained (dense or late interaction) comes as a `Learner`; everything else is the same for both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.tokens import token_counter
from medsearch.evaluation.evaluate import git_revision
from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from pipeline.training.batching.batches import BatchPlan, BatchRules, plan_batches
from pipeline.training.batching.padding import Chunks, TokenLengths, padding_share
from pipeline.training.batching.questions import (
    QuestionVectors,
    question_vectors,
    same_question_share,
    topics_of,
)
from pipeline.training.job import REVISION, Trained, TrainingExample, TrainingJob
from pipeline.training.processes import first_says, is_first, world_size
from pipeline.training.recipe import Precision, Schedule, TrainRecipe
from pipeline.training.running.checkpoints import clear_away, complete_checkpoints, last_of, step_of
from pipeline.training.running.history import History
from pipeline.training.running.memory import peak_memory
from pipeline.training.running.precision import chosen_precision, device_name
from pipeline.training.silence import silent

if TYPE_CHECKING:
    from torch import nn

_SCHEDULERS = {
    Schedule.COSINE: "cosine",
    Schedule.LINEAR: "linear",
    Schedule.CONSTANT: "constant_with_warmup",
}


@dataclass(frozen=True, slots=True)
class Learner:
    """What is trained, and how a batch becomes its input.

    `trainer` and `arguments` are sentence-transformers' classes for the model's kind. `collate` turns rows
    (`query`, `positive`, `negatives`: as many in each) into what the loss takes. `score` gives the dev scores
    of the model as it is, by task; nothing where there is no panel. `chunks` says how `collate` and the loss
    pad, for the facts. `questions` tells queries apart where the recipe asks for it; `None`: see `planned`.
    """

    model: Any
    loss: nn.Module
    trainer: type[Any]
    arguments: type[Any]
    collate: Callable[[Sequence[TrainingExample]], dict[str, Any]]
    score: Callable[[], Mapping[str, float]]
    chunks: Chunks
    questions: QuestionVectors | None = None


def train_model(job: TrainingJob, learner: Learner) -> Trained:
    """Train, or go on from the last whole checkpoint; the end is the same as without the interruption.

    Raises:
        MedsearchError: the loss became no number, or a source cannot be used.
    """
    from pipeline.training.running.steps import resumable
    from pipeline.training.running.watch import Watch

    folder, recipe = job.folder, job.recipe
    if folder.finished.is_file():
        return finished(job)
    plan, lengths = planned(job, learner.questions)
    with silent():
        arguments = training_arguments(learner.arguments, recipe, folder.checkpoints, steps=len(plan.batches))
        keep_to_one_device(arguments, job.progress)
        last = first_says(lambda: _prepared(job))
        watch = Watch(job, learner, plan, lengths)
        trainer = resumable(learner, arguments, plan, job.sources, watch)
        with job.progress.stage(f"training {recipe.name}", len(plan.batches)) as advance:
            watch.begin(0 if last is None else step_of(last), advance)
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
    done = trainer.state.global_step
    assert done == len(plan.batches), f"{done:,} of {len(plan.batches):,} planned batches were trained on"
    facts = _facts(job, learner, plan, lengths)
    if is_first():
        replace_file(folder.finished, json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")
        watch.draw(running=False)
    return Trained(complete_checkpoints(folder.checkpoints), len(plan.batches), facts)


def finished(job: TrainingJob) -> Trained:
    """What an earlier sitting finished."""
    facts = json.loads(job.folder.finished.read_text("utf-8"))
    return Trained(complete_checkpoints(job.folder.checkpoints), facts["steps"], facts)


def planned(job: TrainingJob, questions: QuestionVectors | None = None) -> tuple[BatchPlan, TokenLengths]:
    """The batches of a job, and the lengths that they were grouped by.

    Vectors of queries come from `questions`, which afterwards know all that the batches need; without it they
    are read or made here where the recipe needs them.
    """
    registry = load_registry(job.settings.models, cache=job.settings.cache)
    rows = [row for source in job.sources for row in source.rows]
    with job.progress.stage("measuring lengths", len(rows)) as done:
        lengths = TokenLengths(rows, token_counter(find_model(job.recipe.base, registry)), job.recipe)
        done(len(rows))
    rules = batch_rules(job.recipe)
    questions = questions or question_vectors(job)
    topics = topics_of(job, rules, questions) if questions is not None else {}
    # The first process decides: the others' arithmetic might differ in the last bit.
    plan = first_says(lambda: plan_batches(job.sources, lengths.of_rows, rules, topics))
    if questions is not None and job.recipe.loss.same_question < 1:
        questions.prepare([rows[number].query for batch in plan.batches for number in batch.rows])
    for name, count in plan.left_out.items():
        if count:
            job.progress.say(
                f"{name}: rows with fewer negatives than any batch needs are not used: {count:,}"
            )
    _say_negatives(job, plan)
    return plan, lengths


def _say_negatives(job: TrainingJob, plan: BatchPlan) -> None:
    asked = job.recipe.loss.negatives
    for number, source in enumerate(job.sources):
        used = {batch.negatives for batch in plan.batches if batch.source == number}
        if used and min(used) < asked:
            told = " or ".join(str(count) for count in sorted(used))
            job.progress.say(
                f"{source.name}: loss.negatives is {asked}, but in some batches it is {told}: rows there "
                "have no more, and learn from the others in their batch"
            )


def batch_rules(recipe: TrainRecipe) -> BatchRules:
    """How a recipe's batches are made, on as many devices as there are processes."""
    train = recipe.train
    return BatchRules(
        batch=train.batch,
        devices=world_size(),
        steps=train.steps,
        epochs=train.epochs,
        negatives=recipe.loss.negatives,
        group=train.group_by_length,
        seed=train.seed,
        topic_window=train.topic_window,
    )


def training_arguments(kind: type[Any], recipe: TrainRecipe, checkpoints: Path, *, steps: int) -> Any:
    """A recipe as sentence-transformers' training arguments; nothing is reported anywhere."""
    import torch

    train = recipe.train
    return kind(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=train.batch,
        learning_rate=train.learning_rate,
        lr_scheduler_type=_SCHEDULERS[train.schedule],
        warmup_steps=train.warmup,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        bf16=chosen_precision(train.precision) is Precision.BF16,
        use_cpu=not torch.cuda.is_available(),
        seed=train.seed,
        save_strategy="steps",
        save_steps=train.save_every or train.evaluate_every,
        save_total_limit=None,  # old checkpoints go once the new one is whole
        eval_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
    )


def keep_to_one_device(arguments: Any, progress: Progress) -> None:
    """Train on one GPU where torchrun did not start a process for each.

    The library would spread each batch over all of them (`nn.DataParallel`): other batches than planned.
    """
    found = arguments.n_gpu
    if found > 1:
        arguments._n_gpu = 1
        progress.say(
            f"training on one of {found} GPUs; for all of them: `torchrun --nproc-per-node {found} -m "
            "pipeline train …` (batch is for each)"
        )


def _prepared(job: TrainingJob) -> Path | None:
    """The checkpoint to go on from, after what a kill left half-done is taken away.

    With none, training begins: what it begins with is kept.
    """
    train = job.recipe.train
    clear_away(job.folder.checkpoints, keep=train.keep_checkpoints, every=train.evaluate_every)
    last = last_of(complete_checkpoints(job.folder.checkpoints))
    History(job.folder.history).cut_back(-1 if last is None else step_of(last))
    if last is None:
        replace_file(_begun(job), json.dumps({REVISION: git_revision()}).encode() + b"\n")
    return last


def _begun(job: TrainingJob) -> Path:
    """What training began with, beside the recipe; older runs have none."""
    return job.folder.path / "begun.json"


def _revision(job: TrainingJob) -> dict[str, str]:
    """The revision that training began at, where it was kept: a later sitting may be at another."""
    try:
        return {REVISION: str(json.loads(_begun(job).read_text("utf-8"))[REVISION])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _facts(job: TrainingJob, learner: Learner, plan: BatchPlan, lengths: TokenLengths) -> dict[str, Any]:
    """What was measured, over all sittings."""
    rows = [row for row in History(job.folder.history).rows() if "loss" in row]
    seconds = sum(row["seconds"] for row in rows)
    trained = sum(len(batch.rows) for batch in plan.batches)
    tenth = max(1, len(rows) // 10)
    return {
        "steps": len(plan.batches),
        "rows": trained,
        "seconds": round(seconds, 1),
        "rows_a_second": round(trained / seconds, 2) if seconds else 0.0,
        "peak_memory_mib": max([peak_memory(), *(row.get("memory_mib", 0) for row in rows)]),
        "device": device_name(),
        "devices": plan.rules.devices,
        "precision": chosen_precision(job.recipe.train.precision).value,
        "trainable_parameters": sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        "loss_first": _mean([row["loss"] for row in rows[:tenth]]),
        "loss_last": _mean([row["loss"] for row in rows[-tenth:]]),
        **_padding(job, learner, plan, lengths),
        "sources": [
            {"name": source.name, "sha256": source.sha256, "weight": source.weight, **source.counts}
            | {"rows_seen": plan.rows_seen(number), "left_out": plan.left_out[source.name]}
            | {"batches": sum(batch.source == number for batch in plan.batches)}
            | {"grouping": plan.rules.grouping(source).value}
            for number, source in enumerate(job.sources)
        ],
        **_same_questions(job, learner, plan),
        **_revision(job),
    }


def _padding(job: TrainingJob, learner: Learner, plan: BatchPlan, lengths: TokenLengths) -> dict[str, float]:
    """As trained; without the grouping by length alone; and as a plain trainer pads, a column at a time."""
    loose = _ungrouped(job, plan.rules, lengths)
    shares = {
        "padding_share": padding_share(plan, lengths, learner.chunks),
        "padding_share_without_grouping": padding_share(loose, lengths, learner.chunks),
        "padding_share_ungrouped": padding_share(loose, lengths, Chunks(learner.chunks.rows, False)),
    }
    return {name: round(share, 4) for name, share in shares.items()}


def _same_questions(job: TrainingJob, learner: Learner, plan: BatchPlan) -> dict[str, float]:
    if learner.questions is None or job.recipe.loss.same_question == 1:
        return {}
    return {"same_question_share": round(same_question_share(job, plan, learner.questions), 6)}


def _ungrouped(job: TrainingJob, rules: BatchRules, lengths: TokenLengths) -> BatchPlan:
    """Batches of whatever comes, to compare with."""
    plain = replace(rules, group=False, topic_window=0, steps=min(rules.steps or 400, 400))
    return plan_batches([replace(source, together=False) for source in job.sources], lengths.of_rows, plain)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 5) if values else 0.0
