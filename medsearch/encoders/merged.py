"""The folder that an encoder loads: a model's own, or, of an adapter, its base with the adapter merged in."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from medsearch.encoders.adapter_checks import verify_adapter, verify_model_settings
from medsearch.encoders.adapter_files import adapter_pins, locate_adapter
from medsearch.encoders.adapter_modules import copy_modules
from medsearch.encoders.adapters import base_of
from medsearch.encoders.merge import MERGE_VERSION, merge_adapter
from medsearch.encoders.token_folder import verify_token_model
from medsearch.encoders.verify import verify_pins, verify_weights, weights_digest
from medsearch.encoders.weights import locate_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelKind, ModelSpec

_OF_BASE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def ready_weights(spec: ModelSpec, *, cache: Path) -> Path:
    """Return the folder of the whole model, found to be what the registry says; an adapter is merged once.

    Raises:
        ModelUnavailableError: Weights are missing, not the pinned ones or damaged, the folder contradicts the
            registry, or the adapter cannot be merged or was made for another base.
    """
    base = base_of(spec)
    if base is None:
        folder = locate_weights(spec)
        late = spec.kind is ModelKind.LATE_INTERACTION
        verify = verify_token_model if late else verify_weights
        verify(spec, folder, cache=cache)
        return folder
    verify_adapter(spec, base)
    folder = cache / "adapters" / _merged_key(spec, cache)
    if not folder.is_dir():
        from filelock import FileLock

        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                _merge(spec, base, folder, cache)
    verify_model_settings(spec, folder)
    return folder


def weights_key(spec: ModelSpec, *, cache: Path) -> tuple[str, ...]:
    """All that a model's weights are known by: one digest, or those of an adapter and of its base.

    Weights that the registry pins (by commit or SHA-256) need not be on this machine.

    Raises:
        ModelUnavailableError: They are missing and not pinned, or an adapter's files are not the pinned ones.
    """
    base = base_of(spec)
    if base is not None:
        return (*adapter_pins(spec), base.source, base.revision, *weights_key(base, cache=cache))
    pinned = spec.sha256 or (spec.revision if spec.source.startswith("hub:") else "")
    return (pinned or weights_digest(locate_weights(spec), cache=cache),)


def readable_key(spec: ModelSpec, parts: list[object]) -> str:
    """A folder's name in the cache: the model's, and 12 hex digits of a SHA-256 over `parts`."""
    readable = re.sub(r"[^a-z0-9.]+", "-", spec.name.lower())
    return f"{readable}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _merged_key(spec: ModelSpec, cache: Path) -> str:
    weights = weights_key(spec, cache=cache)
    return readable_key(spec, [MERGE_VERSION, *weights, spec.pooling, spec.max_tokens, spec.dim])


def _merge(spec: ModelSpec, base: ModelSpec, folder: Path, cache: Path) -> None:
    adapter, weights = locate_adapter(spec), locate_weights(base)
    verify_pins(base, weights, cache=cache)
    if find_spec("safetensors") is None:
        raise ModelUnavailableError(
            f"model {spec.name!r} must first be merged with {base.name}, which needs safetensors;"
            " run `pip install 'medsearch[export]'`, or copy the cache from a machine that has it"
        )
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a merge that was stopped
    draft.mkdir()
    try:
        merge_adapter(weights, adapter, draft / "model.safetensors")
        for name in _OF_BASE:
            if (weights / name).is_file():
                shutil.copyfile(weights / name, draft / name)
        if spec.kind is ModelKind.LATE_INTERACTION:
            copy_modules(spec.name, adapter, draft)
        else:
            _write_modules(spec, draft)
        adapter_pins(spec)  # the adapter may have been written while it was read
        draft.rename(folder)
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(f"model {spec.name!r} cannot be merged: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # of a merge that failed: a good one has another name by now


def _write_modules(spec: ModelSpec, folder: Path) -> None:
    """The settings that sentence-transformers reads: the entry's own pooling and length, not the base's."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    pooling = {
        "word_embedding_dimension": spec.dim,
        "pooling_mode_cls_token": spec.pooling == "cls",
        "pooling_mode_mean_tokens": spec.pooling == "mean",
    }
    length = {"max_seq_length": spec.max_tokens, "do_lower_case": False}
    (folder / "1_Pooling").mkdir()
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", length),
    ):
        (folder / name).write_text(json.dumps(content, indent=2), "utf-8")
