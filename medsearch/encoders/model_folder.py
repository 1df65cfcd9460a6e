"""A whole model as a folder of sentence-transformers, in the layout that its old and new versions read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.onnx_cache import ready_export
from medsearch.errors import UsageError
from medsearch.types import ModelKind, ModelSpec, Pooling

_WEIGHTS, _ONNX = "model.safetensors", "onnx/model.onnx"

_FROM_BASE = ("config.json", "tokenizer.json", "vocab.txt")
_ROLES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def write_model_folder(spec: ModelSpec, folder: Path, *, cache: Path) -> None:
    """Write the model into the new `folder`, an adapter merged with its base, as other software loads it.

    sentence-transformers and mteb load a dense one with its prompts, pooling and length, and fastembed as a
    custom model, from `onnx/model.onnx`. A late-interaction model is one for `MultiVectorEncoder`.

    Raises:
        UsageError: The folder is there, or the model has no weights.
        ModelUnavailableError: Weights are missing or not the pinned ones, or cannot be merged or exported.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists: name a new folder, so that nothing is overwritten")
    if spec.kind is ModelKind.SPARSE:
        raise UsageError(f"{spec.name} is {spec.kind}: it has no weights to write")
    weights = ready_weights(spec, cache=cache)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.draft")
    try:
        if spec.kind is ModelKind.LATE_INTERACTION:
            shutil.copytree(weights, draft)
        else:
            (draft / _ONNX).parent.mkdir(parents=True)
            shutil.copyfile(weights / _WEIGHTS, draft / _WEIGHTS)
            write_settings(spec, weights, draft)
            shutil.copyfile(ready_export(spec, cache=cache) / "model.onnx", draft / _ONNX)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_settings(spec: ModelSpec, base: Path, folder: Path) -> None:
    """Write into `folder` all but the weights: settings of `spec`, tokenizer and architecture of `base`.

    Nothing in it names a place on this machine.
    """
    for name in _FROM_BASE:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    config = json.loads((base / "config.json").read_text("utf-8"))
    _write(folder / "config.json", {key: value for key, value in config.items() if key != "_name_or_path"})
    _write_tokenizer(spec, base, folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    _write(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": spec.dim,
            "pooling_mode_cls_token": spec.pooling is Pooling.CLS,
            "pooling_mode_mean_tokens": spec.pooling is Pooling.MEAN,
        },
    )
    (folder / "2_Normalize").mkdir(exist_ok=True)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": spec.max_tokens, "do_lower_case": False})
    prompts = {"query": spec.query_prompt, "document": spec.document_prompt}
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )


def _write_tokenizer(spec: ModelSpec, base: Path, folder: Path) -> None:
    file = base / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    settings = {key: value for key, value in settings.items() if key not in ("name_or_path", "max_length")}
    # fastembed cuts at this length, whatever sentence_bert_config.json says.
    _write(folder / "tokenizer_config.json", {**settings, "model_max_length": spec.max_tokens})
    if (base / "special_tokens_map.json").is_file():
        shutil.copyfile(base / "special_tokens_map.json", folder / "special_tokens_map.json")
        return
    special = {role: settings[role] for role in _ROLES if settings.get(role)}
    _write(folder / "special_tokens_map.json", special)


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
