"""Training of dense models: one vector a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medsearch.types import ModelSpec, Vectors
from pipeline.training.base_model import add_lora, base_spec, dense_base
from pipeline.training.dense.losses import check_loss, dense_loss
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.processes import world_size

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SCORED_AT_ONCE = 64


def train_dense(job: TrainingJob) -> Trained:
    """Train a recipe's dense model, or go on with it.

    Raises:
        UsageError: the recipe does not fit its base.
        ModelUnavailableError: the base's or the teacher's weights are not on this machine.
        MedsearchError: see `train_model`.
    """
    from pipeline.training.running.learner import learner_of
    from pipeline.training.running.loop import finished, train_model

    recipe = job.recipe
    spec = base_spec(recipe, job.settings)
    check_loss(recipe, spec)
    if job.folder.finished.is_file():
        return finished(job)

    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    model, loss = dense_learner(job)
    classes = (SentenceTransformerTrainer, SentenceTransformerTrainingArguments)
    learner = learner_of(job, (model, loss), classes, lambda: panel_scores(job, model))
    return train_model(job, learner)


def dense_learner(job: TrainingJob) -> tuple[SentenceTransformer, Any]:
    """The model as training begins it, and its loss. The adapter's first weights come from the seed."""
    import torch

    recipe = job.recipe
    model = dense_base(recipe, job.settings)
    frozen = None
    if recipe.loss.stay_near_base and recipe.lora is None:
        frozen = dense_base(recipe, job.settings).eval().requires_grad_(False)
    if recipe.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.train.seed)
            add_lora(model, recipe.lora)
    return model, dense_loss(model, frozen, recipe, devices=world_size())


def panel_scores(job: TrainingJob, model: SentenceTransformer) -> Mapping[str, float]:
    """nDCG@10 of the model as it is on each task of the panel; nothing without a panel."""
    if not job.panel:
        return {}
    from pipeline.training.panel.scores import score_panel

    spec = base_spec(job.recipe, job.settings)
    return score_panel(job.panel, *model_encoders(model, spec))


def model_encoders(
    model: SentenceTransformer, spec: ModelSpec
) -> tuple[Callable[[Sequence[str]], Vectors], Callable[[Sequence[str]], Vectors]]:
    """How a model encodes queries and documents: with its own prompts, and as long as it reads in use."""

    def encode(kind: str) -> Callable[[Sequence[str]], Vectors]:
        def encoded(texts: Sequence[str]) -> Vectors:
            if not texts:
                return np.zeros((0, spec.dim), dtype=np.float32)
            vectors = model.encode(
                list(texts),
                prompt=model.prompts.get(kind) or None,
                batch_size=_SCORED_AT_ONCE,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
            return np.ascontiguousarray(vectors, dtype=np.float32)

        return encoded

    return encode("query"), encode("document")
