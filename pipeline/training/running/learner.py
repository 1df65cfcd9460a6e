"""What a training runs, of either kind of model: its data side comes from the job alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.training.batching.padding import Chunks
from pipeline.training.batching.questions import question_vectors
from pipeline.training.job import TrainingJob
from pipeline.training.running.collate import Collate
from pipeline.training.running.loop import Learner
from pipeline.training.teaching.teacher import load_teacher

if TYPE_CHECKING:
    from torch import nn


def learner_of(
    job: TrainingJob,
    made: tuple[Any, nn.Module],
    classes: tuple[type[Any], type[Any]],
    score: Callable[[], Mapping[str, float]],
) -> Learner:
    """The model and its loss in `made`, run by sentence-transformers' trainer and arguments in `classes`.

    Raises:
        ModelUnavailableError: the teacher's weights are not on this machine.
    """
    recipe, (model, loss), (trainer, arguments) = job.recipe, made, classes
    teacher = load_teacher(job) if recipe.distill is not None else None
    questions = question_vectors(job)
    return Learner(
        model=model,
        loss=loss,
        trainer=trainer,
        arguments=arguments,
        collate=Collate(model, recipe, teacher, questions),
        score=score,
        chunks=Chunks(recipe.rows_at_once),
        questions=questions,
    )
