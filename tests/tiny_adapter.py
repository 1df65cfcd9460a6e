"""A LoRA adapter of the tiny BERT, made and saved by peft, with random weights in both matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TARGETS = ("query", "key", "value", "dense")


def make_tiny_adapter(base: Path, folder: Path, *, seed: int = 1, **settings: Any) -> Path:
    """Write an adapter of the model in `base` into `folder`; `settings` are more of peft's LoraConfig."""
    adapted_model(base, seed=seed, **settings).save_pretrained(folder)
    return folder


def adapted_model(base: Path, *, seed: int = 1, **settings: Any) -> Any:
    """The peft model itself: the reference that merging is measured against."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    torch.manual_seed(seed)
    given = {"r": 4, "lora_alpha": 6, "target_modules": list(TARGETS), "init_lora_weights": False}
    return get_peft_model(AutoModel.from_pretrained(base), LoraConfig(**(given | settings)))
