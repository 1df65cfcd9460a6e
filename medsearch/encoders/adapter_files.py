"""The two files of an adapter, as peft writes them: where they are, and whether they are the pinned ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from medsearch.adapter_source import adapter_folder, missing_folder
from medsearch.encoders.verify import FILES_MARK
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def locate_adapter(spec: ModelSpec) -> Path:
    """The folder with the adapter's files.

    Raises:
        ModelUnavailableError: One is missing, or the folder is.
    """
    if reason := missing_folder(spec.source):
        raise ModelUnavailableError(f"model {spec.name!r}: {reason}")
    folder = adapter_folder(spec.source)
    missing = [name for name in (CONFIG, WEIGHTS) if folder is None or not (folder / name).is_file()]
    if folder is None or missing:
        raise ModelUnavailableError(
            f"model {spec.name!r}: {folder} has no {', '.join(missing)}; put the adapter's files there, or"
            " correct the source in the registry's entry"
        )
    return folder


def pinned_adapter(spec: ModelSpec) -> ModelSpec:
    """The spec with the SHA-256 of the adapter's weights and the digest of its settings, where it names none.

    An adapter that is not there stays as it is: loading it says what is wrong.
    """
    try:
        weights, settings = _digests(spec)
    except ModelUnavailableError:
        return spec
    revision = spec.revision if FILES_MARK in spec.revision else f"{spec.revision}{FILES_MARK}{settings}"
    return replace(spec, sha256=spec.sha256 or weights, revision=revision)


def adapter_pins(spec: ModelSpec) -> tuple[str, str]:
    """What the adapter's weights and settings are pinned to, else the digests of those that are there.

    Pinned files need not be there; where they are, they must be the pinned ones.

    Raises:
        ModelUnavailableError: A file is not the pinned one, or is missing and not pinned.
    """
    pinned = (spec.sha256, spec.revision.partition(FILES_MARK)[2])
    try:
        found = _digests(spec)
    except ModelUnavailableError:
        if all(pinned):
            return pinned
        raise
    for name, key, there, wanted in zip(
        (WEIGHTS, CONFIG), ("sha256", "revision"), found, pinned, strict=True
    ):
        if wanted and there != wanted:
            raise ModelUnavailableError(
                f"model {spec.name!r}: {adapter_folder(spec.source)}/{name} is not the pinned file (sha256"
                f" {there[:12]}…, expected {wanted[:12]}…); put the pinned one back, or correct the entry's"
                f" {key} if it was trained again; if it was written just now, run the command again"
            )
    return found


def _digests(spec: ModelSpec) -> tuple[str, str]:
    """SHA-256 of the weights, and the first 12 digits of that of the settings."""
    folder = locate_adapter(spec)
    try:
        return _digest(folder / WEIGHTS), _digest(folder / CONFIG)[:12]
    except OSError as error:
        raise ModelUnavailableError(f"model {spec.name!r}: {folder} cannot be read ({error})") from None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
