"""The model that late-interaction training begins with: the base, a projection and a mask."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from medsearch.encoders.merged import ready_weights
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from pipeline.training.base_model import base_spec, check_lengths, freeze_unused, query_prompt, set_dropout
from pipeline.training.late_table import LateTable, Projection
from pipeline.training.recipe import TrainRecipe
from pipeline.training.silence import silent

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Transformer


def late_table(recipe: TrainRecipe) -> LateTable:
    """What the recipe says of late interaction; the defaults where it says nothing."""
    return recipe.late or LateTable()


def check_late(recipe: TrainRecipe, base: ModelSpec) -> None:
    """Refuse a recipe that late interaction cannot follow.

    Raises:
        UsageError: the message names the key.
    """
    for key, given in (
        ("matryoshka", recipe.loss.matryoshka),
        ("stay_near_base", recipe.loss.stay_near_base),
    ):
        if given:
            raise UsageError(f'recipe {recipe.name}: loss.{key} is for kind = "dense"')
    if late_table(recipe).projection is Projection.PCA and recipe.dim > base.dim:
        raise UsageError(
            f"recipe {recipe.name}: dim: {recipe.dim} is above the {base.dim} of {base.name}, and pca has "
            'nothing to choose from: give a smaller one, or late.projection = "random"'
        )
    table, in_training = late_table(recipe), recipe.train.query_tokens
    if table.expansion and table.query_tokens not in (0, in_training):
        raise UsageError(
            f"recipe {recipe.name}: late.query_tokens: with late.expansion queries are filled up to "
            f"train.query_tokens, {in_training}, in use too: leave it out"
        )
    if table.query_tokens > base.max_tokens:
        raise UsageError(
            f"recipe {recipe.name}: late.query_tokens: {table.query_tokens} is above the {base.max_tokens} "
            f"that {base.name} reads"
        )
    check_lengths(recipe, base)


def late_base(recipe: TrainRecipe, settings: Settings) -> MultiVectorEncoder:
    """The base as sentence-transformers' `MultiVectorEncoder`; its projection has torch's own first weights.

    In use documents are cut at the recipe's `max_tokens`, queries as its `late` table says.

    Raises:
        ModelUnavailableError: the base's weights are missing or not the pinned ones.
        UsageError: a length is above what the base reads.
    """
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    spec, table = base_spec(recipe, settings), late_table(recipe)
    check_lengths(recipe, spec)
    tokens = "token_embeddings"
    with silent(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        projection = Dense(
            spec.dim,
            recipe.dim or spec.dim,
            bias=False,
            activation_function=torch.nn.Identity(),
            module_input_name=tokens,
        )
        model = MultiVectorEncoder(
            modules=[
                _transformer(recipe, spec, settings),
                projection,
                MultiVectorMask(skiplist_words=list(string.punctuation) if table.skip_punctuation else []),
                Normalize(module_input_name=tokens),
            ],
            prompts={"query": query_prompt(recipe, spec), "document": spec.document_prompt},
        )
    set_dropout(model, recipe.train.dropout)
    freeze_unused(model)
    return model


def _transformer(recipe: TrainRecipe, spec: ModelSpec, settings: Settings) -> Transformer:
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.base.modules.transformer import QueryExpansionConfig

    length = late_table(recipe).query_tokens or recipe.train.query_tokens
    expansion: QueryExpansionConfig | None = None
    if late_table(recipe).expansion:
        expansion = {"strategy": "fixed", "attend": False, "length": length}
    transformer: Transformer = Transformer(
        str(ready_weights(spec, cache=settings.cache)),
        query_length=length,
        document_length=recipe.max_tokens or spec.max_tokens,
        query_expansion=expansion,
    )
    return transformer
