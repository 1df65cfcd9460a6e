"""A dense model as a folder of sentence-transformers, in the layout that its old and new versions read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from medsearch.types import ModelSpec, Pooling

_FROM_BASE = ("config.json", "tokenizer.json", "vocab.txt")
_ROLES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


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
    settings = json.loads((base / "tokenizer_config.json").read_text("utf-8"))
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
