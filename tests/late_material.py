"""A tiny late-interaction model, made and saved by sentence-transformers' own MultiVectorEncoder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tiny_bert import DIM, make_tiny_bert

from medsearch.types import ModelKind, ModelSpec, Pooling

TOKEN_DIM = 8
QUERY_TOKENS, DOCUMENT_TOKENS = 12, 24
EXPANSIONS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "fixed": {"strategy": "fixed", "attend": False, "length": QUERY_TOKENS},
    "attending": {"strategy": "fixed", "attend": True, "length": QUERY_TOKENS},
    "min": {"strategy": "min", "attend": False, "length": 6},
}
PROMPTS = {"query": "[Q] ", "document": "[D] "}


def make_late(
    folder: Path,
    *,
    expansion: str = "fixed",
    skipped: str = ".,?-",
    prompts: dict[str, str] | None = None,
    bias: bool = False,
) -> Path:
    """Write the model into `folder` (a BERT of random weights, a projection, a mask) and return it."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    base = make_tiny_bert(folder.with_name(f"{folder.name}-base"))
    (base / "modules.json").unlink()
    torch.manual_seed(3)
    MultiVectorEncoder(
        modules=[
            Transformer(
                str(base),
                query_length=QUERY_TOKENS,
                document_length=DOCUMENT_TOKENS,
                query_expansion=EXPANSIONS[expansion],  # type: ignore[arg-type]  # a test's own table
            ),
            Dense(
                DIM,
                TOKEN_DIM,
                bias=bias,
                activation_function=torch.nn.Identity(),
                module_input_name="token_embeddings",
            ),
            MultiVectorMask(skiplist_words=list(skipped)),
            Normalize(module_input_name="token_embeddings"),
        ],
        prompts=PROMPTS if prompts is None else prompts,
    ).save_pretrained(str(folder))
    shutil.rmtree(base)
    return folder


def late_spec(folder: Path | str, name: str = "tiny-late", **changes: object) -> ModelSpec:
    """The registry's entry of such a model; `changes` replace fields."""
    values: dict[str, object] = {
        "name": name,
        "source": f"path:{folder}",
        "revision": "1",
        "kind": ModelKind.LATE_INTERACTION,
        "pooling": Pooling.NONE,
        "max_tokens": DOCUMENT_TOKENS,
        "dim": TOKEN_DIM,
        "licence": "apache-2.0",
        "query_prompt": PROMPTS["query"],
        "document_prompt": PROMPTS["document"],
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]  # a test's own table of fields
