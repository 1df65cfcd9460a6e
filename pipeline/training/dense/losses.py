"""What a recipe's loss is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medsearch.errors import UsageError
from medsearch.types import ModelSpec
from pipeline.training.recipe import LossKind, TrainRecipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn


def check_loss(recipe: TrainRecipe, base: ModelSpec) -> None:
    """Refuse a loss that does not fit the base.

    Raises:
        UsageError: a Matryoshka length is above the base's, or the whole vector is not among them.
    """
    lengths = recipe.loss.matryoshka
    if lengths and lengths[0] > base.dim:
        raise UsageError(
            f"recipe {recipe.name}: loss.matryoshka: {lengths[0]} is above the {base.dim} dimensions "
            f"of {base.name}"
        )
    if lengths and lengths[0] != base.dim:
        raise UsageError(
            f"recipe {recipe.name}: loss.matryoshka: must begin with {base.dim}, the dimensions of "
            f"{base.name}, or whole vectors are not trained"
        )


def dense_loss(
    model: SentenceTransformer, base: SentenceTransformer | None, recipe: TrainRecipe, *, devices: int = 1
) -> nn.Module:
    """The loss of a dense recipe; `base` is a frozen copy of what the model was, where one is needed."""
    from pipeline.training.batching.same_question import SameQuestion
    from pipeline.training.dense import objective as parts

    rows = recipe.rows_at_once
    terms: list[Any] = []
    near = None
    if recipe.loss.stay_near_base:
        near = parts.NearBase(model, base, recipe.loss.stay_near_base, rows)
        terms.append(near)
    if (distill := recipe.distill) is not None:
        terms.append(parts.distil_term(distill))
    dim = model.get_embedding_dimension()
    assert dim is not None, "a model built from a registry's entry says its dimensions"
    gather = devices > 1
    same = SameQuestion(recipe.loss.same_question, gather=gather) if recipe.loss.same_question < 1 else None
    lengths = max(1, len(recipe.loss.matryoshka))
    ranking = parts.Ranking(recipe.loss.temperature, rows, gather, dim, tuple(terms), same, lengths)
    cached = recipe.loss.kind is LossKind.CACHED_RANKING
    loss = parts.CachedRanking(model, ranking) if cached else parts.PlainRanking(model, ranking)
    return parts.Objective(loss, recipe.loss.matryoshka, near)
