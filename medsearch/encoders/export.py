"""Writes a model's ONNX export: `python -m medsearch.encoders.export WEIGHTS TARGET MAX_TOKENS`.

Run as a process of its own (see `medsearch.encoders.onnx`), so that the one that serves never imports torch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPORT_VERSION = 1
"""Part of the cache's key: raise it when what is written here changes."""

_TOLERANCE = 1e-3  # of a hidden state, whose elements are of the order of 1
_ROLES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def export_model(weights: Path, target: Path, max_tokens: int) -> None:
    """Write `model.onnx` (token vectors, before pooling) and the tokenizer's files into the new `target`.

    The graph takes `input_ids` and `attention_mask`, both int64 (batch, sequence) of any size up to
    `max_tokens`, and gives `last_hidden_state`, float32 (batch, sequence, dim). Token types are left out: all
    are 0 here.

    Raises:
        ValueError: The exported graph computes something else than the model.
    """
    import torch
    from transformers import AutoModel

    # ONNX Runtime runs the eager form's graph about 16 % faster than that of sdpa, which guards against NaN.
    model = AutoModel.from_pretrained(weights, dtype=torch.float32, attn_implementation="eager")
    graph = _hidden_states_only(model).eval()
    vocabulary = int(model.config.vocab_size)
    ids, mask = _example(3, max_tokens, vocabulary)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=max_tokens)}
    target.mkdir(parents=True)
    with torch.inference_mode():
        # The legacy tracer (dynamo=False) loses the attention mask with transformers 5.
        torch.onnx.export(
            graph,
            (torch.from_numpy(ids), torch.from_numpy(mask)),
            target / "model.onnx",
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(axes, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _check(graph, target / "model.onnx", max_tokens, vocabulary)
    _write_tokenizer(weights, target, max_tokens)


def _hidden_states_only(model: Any) -> Any:
    """Wrap a transformers model (untyped, so `Any`): its pooler's output is not exported."""
    import torch

    class HiddenStates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask)[0]
            return states

    return HiddenStates()


def _example(rows: int, tokens: int, vocabulary: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random token ids and a mask, both (rows, tokens); each row is padded more than the one before."""
    ids = np.random.default_rng(0).integers(0, vocabulary, size=(rows, tokens))
    lengths = np.maximum(tokens - np.arange(rows) * max(tokens // rows, 1), 1)
    return ids, (np.arange(tokens) < lengths[:, None]).astype(np.int64)


def _check(graph: Any, exported: Path, max_tokens: int, vocabulary: int) -> None:
    """Compare with torch on padded batches of sizes that were not traced; one has one row and one token."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    for rows, tokens in ((1, 1), (1, max_tokens), (4, max_tokens), (5, max_tokens // 3 + 1)):
        ids, mask = _example(rows, tokens, vocabulary)
        (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        with torch.inference_mode():
            wanted = graph(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        worst = float(np.abs((found - wanted) * mask[:, :, None]).max())
        if not worst < _TOLERANCE:
            raise ValueError(
                f"the export differs from the model by {worst:.2g} on a ({rows}, {tokens}) batch"
            )


def _write_tokenizer(weights: Path, target: Path, max_tokens: int) -> None:
    settings = json.loads((weights / "tokenizer_config.json").read_text("utf-8"))
    # Whoever reads the export cuts at this length: the registry's, whatever the weights' folder says.
    settings["model_max_length"] = max_tokens
    settings.pop("max_length", None)
    (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")
    special = {role: settings[role] for role in _ROLES if settings.get(role)}
    (target / "special_tokens_map.json").write_text(json.dumps(special, indent=2), "utf-8")
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(weights / name, target / name)


def main(arguments: list[str]) -> None:
    """Read WEIGHTS, TARGET and MAX_TOKENS from the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m medsearch.encoders.export")
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("max_tokens", type=int)
    options = parser.parse_args(arguments)
    export_model(options.weights, options.target, options.max_tokens)


if __name__ == "__main__":
    main(sys.argv[1:])
