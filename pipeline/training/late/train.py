"""Training of late-interaction models: one vector a token, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.training.base_model import add_lora, base_spec
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.late.model import check_late, late_base
from pipeline.training.late.projection import begin_projection
from pipeline.training.processes import world_size
from pipeline.training.recipe import LossKind

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder
    from torch import nn


def train_late(job: TrainingJob) -> Trained:
    """Train a recipe's late-interaction model, or go on with it.

    With LoRA the transformer has an adapter, and the projection behind it is trained whole.

    Raises:
        UsageError: the recipe does not fit its base, or late interaction.
        ModelUnavailableError: the base's or the teacher's weights are not on this machine.
        MedsearchError: see `pipeline.training.running.loop.train_model`.
    """
    from pipeline.training.running.learner import learner_of
    from pipeline.training.running.loop import finished, train_model

    recipe = job.recipe
    check_late(recipe, base_spec(recipe, job.settings))
    if job.folder.finished.is_file():
        return finished(job)

    from sentence_transformers import MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments

    model, loss = late_learner(job)
    classes = (MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments)
    learner = learner_of(job, (model, loss), classes, lambda: late_panel_scores(job, model))
    return train_model(job, learner)


def late_learner(job: TrainingJob) -> tuple[MultiVectorEncoder, nn.Module]:
    """The model as training begins it, and its loss. All first weights come from base, data and seed."""
    import torch

    from pipeline.training.batching.same_question import SameQuestion
    from pipeline.training.dense.objective import Distil, Ranking, distil_term
    from pipeline.training.late.objective import LateRanking

    recipe = job.recipe
    model = late_base(recipe, job.settings)
    begin_projection(job, model)
    if recipe.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.train.seed)
            add_lora(model, recipe.lora)
    terms: tuple[Distil, ...] = ()
    if (distill := recipe.distill) is not None:
        terms = (distil_term(distill),)
    dim = model.get_embedding_dimension()
    assert dim is not None, "the projection says its dimensions"
    gather = world_size() > 1
    same = SameQuestion(recipe.loss.same_question, gather=gather) if recipe.loss.same_question < 1 else None
    ranking = Ranking(recipe.loss.temperature, recipe.rows_at_once, gather, dim, terms, same)
    return model, LateRanking(model, ranking, cached=recipe.loss.kind is LossKind.CACHED_RANKING)


def late_panel_scores(job: TrainingJob, model: MultiVectorEncoder) -> Mapping[str, float]:
    """nDCG@10 of the model as it is on each task of the panel; nothing without a panel."""
    if not job.panel:
        return {}
    from pipeline.training.panel.late import score_panel_late

    return score_panel_late(job.panel, model)
