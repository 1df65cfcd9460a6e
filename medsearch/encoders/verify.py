"""Does a model's folder hold what the registry says: the pinned weights, pooling, length and prompt?"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

_MODULES = {"Transformer", "Pooling", "Normalize"}
_SETTINGS = (
    "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json",
    "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
)  # fmt: skip
"""What else in a model's folder its vectors depend on, beside the weights and the settings of its modules."""

FILES_MARK = "+files."
"""In a pinned revision: behind it comes the digest of the folder's other files."""

_UNLIMITED = 1_000_000  # transformers writes 1e30 where a tokenizer has no limit


def weights_digest(folder: Path, *, cache: Path) -> str:
    """SHA-256 of the folder's `model.safetensors`, remembered in `cache` while its size and time stay."""
    weights = (folder / "model.safetensors").resolve()
    state = weights.stat()
    name = hashlib.sha256(str(weights).encode()).hexdigest()[:24]
    memory = cache / "digests" / f"{name}-{state.st_size}-{state.st_mtime_ns}"
    if memory.is_file():
        return memory.read_text("ascii")
    with weights.open("rb") as stream:
        return _remembered(hashlib.file_digest(stream, "sha256").hexdigest(), memory)


def files_digest(folder: Path, *, cache: Path | None = None) -> str:
    """12 hex digits of a SHA-256 over names and bytes of all that vectors depend on beside the main weights.

    The settings and weights of the modules that `modules.json` names, such as a projection to fewer
    dimensions, are among it; other folders, such as a trainer's checkpoints, are not. With a `cache` it is
    remembered while the settings, and the size and time of such weights, stay.
    """
    modules = _module_folders(folder)
    settings = [*(folder / name for name in _SETTINGS), *_of(modules, "config.json")]
    weights = [file for file in _of(modules, "model.safetensors") if file.is_file()]
    digest = hashlib.sha256()
    for file in settings:
        if file.is_file():
            _add(file, folder, digest)
    memory = None
    if cache is not None and weights:
        known = [str(folder.resolve()), digest.hexdigest()]
        known += [f"{(state := file.stat()).st_size}-{state.st_mtime_ns}" for file in weights]
        name = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:24]
        memory = cache / "digests" / f"files-{name}"
        if memory.is_file():
            return memory.read_text("ascii")
    for file in weights:
        _add(file, folder, digest)
    found = digest.hexdigest()[:12]
    return found if memory is None else _remembered(found, memory)


def _module_folders(folder: Path) -> list[Path]:
    """Folders inside of this one that its `modules.json` names; none where that is missing or damaged."""
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    listed = [module for module in modules if isinstance(module, dict)] if isinstance(modules, list) else []
    named = {str(module.get("path") or "") for module in listed} - {"", "."}
    inside = [name for name in named if not Path(name).is_absolute() and ".." not in Path(name).parts]
    return sorted(folder / name for name in inside)


def _of(modules: list[Path], name: str) -> list[Path]:
    return [module / name for module in modules]


def _add(file: Path, folder: Path, digest: hashlib._Hash) -> None:
    content = file.read_bytes()
    digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)


def _remembered(digest: str, memory: Path) -> str:
    """The digest, which is written into the file `memory`, never half of it."""
    memory.parent.mkdir(parents=True, exist_ok=True)
    draft = memory.with_name(f"{memory.name}.{os.getpid()}")
    draft.write_text(digest, "ascii")
    draft.replace(memory)
    return digest


def pinned_revision(revision: str, folder: Path, *, cache: Path | None = None) -> str:
    """The revision with the digest of the folder's files behind it, unless it names one already."""
    return (
        revision if FILES_MARK in revision else f"{revision}{FILES_MARK}{files_digest(folder, cache=cache)}"
    )


def verify_weights(spec: ModelSpec, folder: Path, *, cache: Path) -> None:
    """Refuse weights or other files that are not the pinned ones, and settings that contradict the registry.

    Raises:
        ModelUnavailableError: The message names what differs.
    """
    verify_pins(spec, folder, cache=cache)
    verify_settings(spec, folder)


def verify_pins(spec: ModelSpec, folder: Path, *, cache: Path) -> None:
    """Refuse weights or other files that are not the pinned ones.

    Raises:
        ModelUnavailableError: The message names what differs.
    """
    if spec.sha256 and (found := weights_digest(folder, cache=cache)) != spec.sha256:
        raise ModelUnavailableError(
            f"model {spec.name!r}: {folder / 'model.safetensors'} is not the pinned file"
            f" (sha256 {found[:12]}…, expected {spec.sha256[:12]}…); install or download it again"
        )
    pinned = spec.revision.partition(FILES_MARK)[2]
    if pinned and spec.source.startswith("path:") and (found := files_digest(folder, cache=cache)) != pinned:
        raise ModelUnavailableError(
            f"model {spec.name!r}: the tokenizer, a setting or a projection in {folder} is not the pinned one"
            f" (files {found}, expected {pinned}); if the folder was just written, run the command again"
        )


def verify_settings(spec: ModelSpec, folder: Path) -> None:
    """Refuse a folder whose settings contradict the registry.

    Raises:
        ModelUnavailableError: The message names the first that does.
    """
    for field, stated, wanted in _disagreements(spec, folder):
        raise ModelUnavailableError(
            f"model {spec.name!r}: {field} is {stated} in {folder}, but {wanted} in the registry;"
            " correct the registry's entry"
        )


def _disagreements(spec: ModelSpec, folder: Path) -> list[tuple[str, object, object]]:
    """(field, what the folder says, what the registry says) for each contradiction."""
    found: list[tuple[str, object, object]] = []
    pooling, others = _modules(folder)
    if others:
        found.append(
            ("modules.json: type", f"also {', '.join(others)}", "Transformer, Pooling and Normalize only")
        )
    if pooling and pooling != [spec.pooling]:
        found.append(("pooling", "+".join(pooling), spec.pooling))
    config = _read(folder / "config.json")
    if config.get("hidden_size", spec.dim) != spec.dim:
        found.append(("dim (hidden_size)", config["hidden_size"], spec.dim))
    for field, limit in _limits(folder, config):
        if spec.max_tokens > limit:
            found.append((f"max_tokens ({field})", limit, spec.max_tokens))
    prompts = _read(folder / "config_sentence_transformers.json").get("prompts") or {}
    for side, wanted in (("query", spec.query_prompt), ("document", spec.document_prompt)):
        # The library writes "" where its user has said nothing, so that "" does not mean that there is none.
        if (prompt := prompts.get(side)) and prompt != wanted:
            found.append((f"{side}_prompt (prompts.{side})", repr(prompt), repr(wanted)))
    return found


def _limits(folder: Path, config: dict[str, Any]) -> list[tuple[str, int]]:
    """The folder's limits on tokens. The registry may ask for fewer, never for more."""
    stated = {
        "max_position_embeddings": config.get("max_position_embeddings"),
        "max_seq_length": _read(folder / "sentence_bert_config.json").get("max_seq_length"),
        "model_max_length": _read(folder / "tokenizer_config.json").get("model_max_length"),
    }
    return [(field, limit) for field, limit in stated.items() if limit and limit < _UNLIMITED]


def _modules(folder: Path) -> tuple[list[str], list[str]]:
    """Pooling modes that the folder states (none: a plain transformer), and modules we cannot run."""
    if not (folder / "modules.json").is_file():
        return [], []
    pooling: list[str] = []
    others: list[str] = []
    for module in json.loads((folder / "modules.json").read_text("utf-8")):
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            pooling = _pooling_modes(_read(folder / module["path"] / "config.json"))
        elif kind not in _MODULES:
            others.append(kind)
    return pooling, others


def _pooling_modes(config: dict[str, Any]) -> list[str]:
    """Sentence-transformers writes one `pooling_mode` since version 5, a flag a mode before."""
    modes = config.get("pooling_mode")
    if modes is None:
        flags = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
        return [
            flags.get(key, key) for key, value in config.items() if key.startswith("pooling_mode_") and value
        ]
    return [modes] if isinstance(modes, str) else list(modes)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content
