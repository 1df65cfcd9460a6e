"""What the registry must know of a model that was trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from medsearch.types import ModelKind, ModelSpec, Pooling
from pipeline.training.recipe import TrainRecipe

REGISTRY = "registry.toml"


def made_spec(recipe: TrainRecipe, base: ModelSpec, folder: Path) -> ModelSpec:
    """The entry of the model that a recipe makes, lying in `folder`; its weights are not pinned here.

    Prompts and length are the recipe's, else the base's; of late interaction those that the folder states.
    """
    spec = replace(
        base,
        name=recipe.name,
        source=f"path:{folder}",
        revision=f"trained from {base.name}",
        kind=recipe.kind,
        licence=recipe.licence,
        sha256="",
        parameters={},
        family=base.family or base.name,
        query_prompt=base.query_prompt if recipe.query_prompt is None else recipe.query_prompt,
        max_tokens=recipe.max_tokens or base.max_tokens,
        dim=recipe.dim or base.dim,
    )
    if recipe.kind is ModelKind.LATE_INTERACTION:
        return _late(replace(spec, pooling=Pooling.NONE), folder)
    return spec


def entry_text(spec: ModelSpec, source: str, *, sha256: str) -> str:
    """The entry as a file that MEDSEARCH_MODELS can name; the weights are pinned by `sha256`."""
    values: dict[str, object] = {
        "source": source,
        "revision": spec.revision,
        "kind": str(spec.kind),
        **({"pooling": str(spec.pooling)} if spec.pooling is not Pooling.NONE else {}),
        **({"query_prompt": spec.query_prompt} if spec.query_prompt else {}),
        **({"document_prompt": spec.document_prompt} if spec.document_prompt else {}),
        "max_tokens": spec.max_tokens,
        "dim": spec.dim,
        "licence": spec.licence,
        **({"family": spec.family} if spec.family else {}),
        **({"size": str(spec.size)} if spec.size else {}),
        "sha256": sha256,
    }
    # A JSON string or number is one of TOML too, but for the character DEL, which JSON leaves as it is.
    lines = [f"{key} = {json.dumps(value)}".replace("\x7f", "\\u007f") for key, value in values.items()]
    return "\n".join([f"[{json.dumps(spec.name)}]", *lines]) + "\n"


def _late(spec: ModelSpec, folder: Path) -> ModelSpec:
    """With the prompts and the length that a folder of `MultiVectorEncoder` states."""
    prompts = _read(folder / "config_sentence_transformers.json").get("prompts") or {}
    length = _read(folder / "sentence_bert_config.json").get("document_length")
    return replace(
        spec,
        query_prompt=prompts.get("query") or "",
        document_prompt=prompts.get("document") or "",
        max_tokens=length or spec.max_tokens,
    )


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return content
