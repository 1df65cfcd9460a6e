"""A tiny late-interaction adapter: peft's files, settings and modules; and the whole model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from late_material import DOCUMENT_TOKENS, PROMPTS, TOKEN_DIM, make_late
from tiny_adapter import adapted_model, make_tiny_adapter
from tiny_bert import DIM, make_tiny_bert

from medsearch.encoders.registry import load_registry
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

SETTINGS = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
MODULES = ("1_Dense", "2_MultiVectorMask", "3_Normalize")


def make_late_adapter(folder: Path) -> Path:
    """Write `base`, `adapter` (of late interaction) and `whole`, which peft merged of both."""
    make_tiny_bert(folder / "base", pooling="mean")
    whole, adapter = make_late(folder / "whole"), make_tiny_adapter(folder / "base", folder / "adapter")
    adapted_model(folder / "base").merge_and_unload().save_pretrained(whole)
    for name in SETTINGS:
        shutil.copyfile(whole / name, adapter / name)
    for name in MODULES:
        shutil.copytree(whole / name, adapter / name)
    return folder


def write_entries(folder: Path, *, base: str = "base", changes: dict[str, str] | None = None) -> None:
    """A registry file with the base and the adapter as `late`; `changes` are of its lines."""
    plain = f'[base]\nsource = "path:{folder / "base"}"\nrevision = "1"\nkind = "dense"\npooling = "mean"\n'
    plain += f'max_tokens = 64\ndim = {DIM}\nlicence = "mit"\n'
    lines = {
        "source": f'"adapter:{folder / "adapter"}@{base}"',
        "revision": '"1"',
        "kind": '"late_interaction"',
        "max_tokens": str(DOCUMENT_TOKENS),
        "dim": str(TOKEN_DIM),
        "licence": '"mit"',
        "query_prompt": f'"{PROMPTS["query"]}"',
        "document_prompt": f'"{PROMPTS["document"]}"',
    } | (changes or {})
    late = "\n".join(f"{key} = {value}" for key, value in lines.items())
    (folder / "models.toml").write_text(f"{plain}[late]\n{late}\n", encoding="utf-8")


def late_adapter(folder: Path) -> ModelSpec:
    """The adapter's entry, pinned to what lies there now."""
    return load_registry(folder / "models.toml", cache=folder / "cache")["late"]


def a_copy(made: Path, folder: Path) -> Path:
    """A copy of what was made, with its registry file, that a test may spoil."""
    shutil.copytree(made, folder)
    write_entries(folder)
    return folder


def said(load: Callable[[], object]) -> str:
    """The one line that it is refused with."""
    with pytest.raises(ModelUnavailableError) as error:
        load()
    assert "\n" not in str(error.value)
    return str(error.value)
