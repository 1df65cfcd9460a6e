"""Writes a late-interaction model's ONNX export, checked against sentence-transformers.

    python -m medsearch.encoders.token_export WEIGHTS TARGET DOCUMENT_TOKENS

Run as a process of its own (see `medsearch.encoders.token_cache`), so that the one that serves never imports
torch.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsearch.encoders.token_graph import GRAPH, SETTINGS, Expansion, TokenGraph, TokenSettings
from medsearch.types import Vectors

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

TOKEN_EXPORT_VERSION = 1
"""Part of the cache's key: raise it when what is written here changes."""

_TOLERANCE = 1e-3  # of a coordinate of a vector of length 1


def export_token_model(weights: Path, target: Path, document_tokens: int) -> None:
    """Write graph, tokenizer and settings of the model in `weights` into the new folder `target`.

    Raises:
        ValueError: The export gives other vectors, or another number of them, than the model.
    """
    import torch
    from sentence_transformers import MultiVectorEncoder

    # As in `export`: ONNX Runtime runs the eager form's graph faster.
    model = MultiVectorEncoder(
        str(weights),
        device="cpu",
        model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"},
        local_files_only=True,
    ).eval()
    _transformer(model).document_length = document_tokens
    settings = _settings(model, document_tokens)
    target.mkdir(parents=True)
    _write_graph(model, target / GRAPH, _longest(settings))
    _write(settings, target / SETTINGS)
    shutil.copyfile(weights / "tokenizer.json", target / "tokenizer.json")
    _check(model, TokenGraph(target))


def _transformer(model: MultiVectorEncoder) -> Any:
    """The first module: its settings are set from outside, which types do not know."""
    return model[0]


def _settings(model: MultiVectorEncoder, document_tokens: int) -> TokenSettings:
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    tokenizer, transformer = model.tokenizer, _transformer(model)
    most = min(int(tokenizer.model_max_length), int(transformer.config.max_position_embeddings))
    expansion, query_tokens = transformer.query_expansion, transformer.query_length or most
    if expansion is not None:
        token = expansion["token"] or tokenizer.mask_token or tokenizer.eos_token
        query_tokens = max(query_tokens, expansion["length"])
        expansion = Expansion(
            tokenizer.convert_tokens_to_ids(token),
            expansion["length"],
            attend=bool(expansion["attend"]),
            fixed=expansion["strategy"] == "fixed",
        )
    [mask] = [module for module in model if isinstance(module, MultiVectorMask)]
    ids = {word: int(tokenizer.convert_tokens_to_ids(word)) for word in mask.skiplist_words}
    unknown = tokenizer.unk_token_id
    return TokenSettings(
        query_tokens=query_tokens,
        document_tokens=document_tokens,
        pad=int(tokenizer.pad_token_id or 0),
        expansion=expansion,
        # A word that is no token of its own would drop every unknown one: the library leaves it out too.
        skipped=tuple(i for word, i in ids.items() if i != unknown or word == tokenizer.unk_token),
        skip_queries="query" in mask.skiplist_tasks,
        skip_documents="document" in mask.skiplist_tasks,
    )


def _longest(settings: TokenSettings) -> int:
    return max(settings.query_tokens, settings.document_tokens)


def _write_graph(model: MultiVectorEncoder, file: Path, longest: int) -> None:
    import torch

    ids = np.random.default_rng(0).integers(0, len(model.tokenizer), size=(3, longest))
    mask = (np.arange(longest) < np.array([[longest], [longest // 2 + 1], [2]])).astype(np.int64)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=longest)}
    with torch.inference_mode():
        # The legacy tracer (dynamo=False) loses the attention mask with transformers 5.
        torch.onnx.export(
            _token_vectors(model).eval(),
            (torch.from_numpy(ids), torch.from_numpy(mask)),
            file,
            input_names=["input_ids", "attention_mask"],
            output_names=["token_vectors"],
            dynamic_shapes=(axes, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _token_vectors(model: MultiVectorEncoder) -> Any:
    """The transformer's hidden states through the projections and the normalisation, without the mask."""
    import torch
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    first, *others = list(model)
    behind = [module for module in others if not isinstance(module, MultiVectorMask)]

    class TokenVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer: Any = first.model
            self.behind = torch.nn.ModuleList(behind)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.transformer(input_ids=input_ids, attention_mask=attention_mask)[0]
            for module in self.behind:
                states = module({"token_embeddings": states})["token_embeddings"]
            return states

    return TokenVectors()


def _write(settings: TokenSettings, file: Path) -> None:
    from pydantic import TypeAdapter

    file.write_bytes(TypeAdapter(TokenSettings).dump_json(settings, indent=2))


def _check(model: MultiVectorEncoder, graph: TokenGraph) -> None:
    """Compare texts of all lengths, in padded batches, the longest of which are cut."""
    generator = np.random.default_rng(1)
    longest = _longest(graph.settings)
    lengths = (0, 1, 2, 5, longest // 3, longest, 2 * longest)
    ids = [generator.integers(0, len(model.tokenizer), size=length).tolist() for length in lengths]
    texts = [str(model.tokenizer.decode(row, skip_special_tokens=True)) for row in ids]
    for side, found, wanted in (
        ("query", graph.queries(texts), model.encode_query(texts, prompt="", convert_to_numpy=True)),
        ("document", graph.documents(texts), model.encode_document(texts, prompt="", convert_to_numpy=True)),
    ):
        _compare(side, found, wanted)


def _compare(side: str, found: Iterable[Vectors], wanted: Iterable[Vectors]) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        if ours.shape != theirs.shape:
            raise ValueError(f"the export gives a {side} {ours.shape} numbers, the model {theirs.shape}")
        worst = float(np.abs(ours - theirs).max(initial=0.0))
        if not worst < _TOLERANCE:
            raise ValueError(f"the export differs from the model by {worst:.2g} in the vectors of a {side}")


def main(arguments: list[str]) -> None:
    """Read WEIGHTS, TARGET and DOCUMENT_TOKENS from the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m medsearch.encoders.token_export")
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("document_tokens", type=int)
    options = parser.parse_args(arguments)
    export_token_model(options.weights, options.target, options.document_tokens)


if __name__ == "__main__":
    main(sys.argv[1:])
