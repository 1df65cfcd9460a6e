"""The base of a training, built from the registry's entry alone, as the reference encoder is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from pipeline.training.recipe import LoraTable, TrainRecipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def base_spec(recipe: TrainRecipe, settings: Settings) -> ModelSpec:
    """The registry's entry of a recipe's base.

    Raises:
        UsageError: there is none, or it is not dense.
    """
    spec = find_model(recipe.base, load_registry(settings.models, cache=settings.cache))
    if spec.kind is not ModelKind.DENSE:
        raise UsageError(f"recipe {recipe.name}: base: {spec.name} is {spec.kind}: a dense model is needed")
    return spec


def query_prompt(recipe: TrainRecipe, base: ModelSpec) -> str:
    """What stands before queries, in training as in use: the recipe's, else the base's."""
    return base.query_prompt if recipe.query_prompt is None else recipe.query_prompt


def dense_base(recipe: TrainRecipe, settings: Settings) -> SentenceTransformer:
    """The base as sentence-transformers has it, with the lengths, prompts and dropout of the recipe.

    Raises:
        ModelUnavailableError: the weights are missing or not the pinned ones, or an adapter cannot be merged.
        UsageError: a length is above what the base reads.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    from pipeline.training.silence import silent

    spec = base_spec(recipe, settings)
    tokens = recipe.max_tokens or spec.max_tokens
    check_lengths(recipe, spec)
    folder = ready_weights(spec, cache=settings.cache)
    with silent():
        transformer = Transformer(str(folder), max_seq_length=tokens)
        pooling = Pooling(spec.dim, pooling_mode=spec.pooling.value)
        prompts = {"query": query_prompt(recipe, spec), "document": spec.document_prompt}
        model = SentenceTransformer(modules=[transformer, pooling, Normalize()], prompts=prompts)
    set_dropout(model, recipe.train.dropout)
    freeze_unused(model)
    return model


def check_lengths(recipe: TrainRecipe, spec: ModelSpec) -> None:
    """Refuse lengths above what the base reads.

    Raises:
        UsageError: the message names the key.
    """
    for key, tokens in (
        ("max_tokens", recipe.max_tokens or 0),
        ("train.query_tokens", recipe.train.query_tokens),
        ("train.document_tokens", recipe.train.document_tokens),
    ):
        if tokens > spec.max_tokens:
            raise UsageError(
                f"recipe {recipe.name}: {key}: {tokens} is above the {spec.max_tokens} that {spec.name} reads"
            )


def set_dropout(model: Any, share: float | None) -> None:
    """Set every dropout of a model for training; its configuration still says the base's own."""
    from torch import nn

    if share is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = share


def freeze_unused(model: Any) -> None:
    """Freeze BERT's own pooler: no vector depends on it, and several devices would wait for its gradients."""
    for name, weights in model.named_parameters():
        if ".pooler." in name:
            weights.requires_grad_(False)


def add_lora(model: Any, lora: LoraTable) -> None:
    """Put low-rank adapters on the layers named, and freeze all else (Hu et al., 2021).

    Raises:
        UsageError: the model has no layer of a name.
        MedsearchError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError:
        raise MedsearchError("LoRA needs peft: run `pip install 'medsearch[train]'`") from None
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    for target in lora.targets:
        if target not in names:
            raise UsageError(f"lora.targets: the base has no layer called {target!r}")
    model.add_adapter(
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft divides it; a fraction is as good
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
            exclude_modules=r".*\bpooler\b.*",
        )
    )
