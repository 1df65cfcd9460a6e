"""The files of an adapter: where they are, and whether they are the pinned ones.

There are the two that peft writes; of late interaction also those of `adapter_modules`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from medsearch.adapter_source import adapter_folder, missing_folder
from medsearch.encoders.adapter_modules import adapter_modules
from medsearch.encoders.verify import FILES_MARK
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelKind, ModelSpec

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

    Of late interaction that digest is one of its modules too, the projection's weights among them. An adapter
    that is not there stays as it is: loading it says what is wrong.
    """
    try:
        weights, settings = _digests(spec)
    except ModelUnavailableError:
        return spec
    revision = spec.revision if FILES_MARK in spec.revision else f"{spec.revision}{FILES_MARK}{settings}"
    return replace(spec, sha256=spec.sha256 or weights, revision=revision)


def adapter_pins(spec: ModelSpec) -> tuple[str, str]:
    """What the adapter's weights and other files are pinned to, else the digests of those that are there.

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
    folder = adapter_folder(spec.source)
    others = f"{folder}/{CONFIG} is not the pinned file (sha256"
    if spec.kind is ModelKind.LATE_INTERACTION:
        others = f"a setting or the projection in {folder} is not the pinned one (files"
    for what, key, there, wanted in zip(
        (f"{folder}/{WEIGHTS} is not the pinned file (sha256", others),
        ("sha256", "revision"),
        found,
        pinned,
        strict=True,
    ):
        if wanted and there != wanted:
            raise ModelUnavailableError(
                f"model {spec.name!r}: {what} {there[:12]}…, expected {wanted[:12]}…); put the pinned one"
                f" back, or correct the entry's {key} if it was trained again; if it was written just now,"
                " run the command again"
            )
    return found


def _digests(spec: ModelSpec) -> tuple[str, str]:
    """SHA-256 of the weights, and the first 12 digits of that of peft's settings, or of all other files."""
    folder = locate_adapter(spec)
    late = spec.kind is ModelKind.LATE_INTERACTION
    try:
        others = _digest_of_all(spec, folder) if late else _digest(folder / CONFIG)
        return _digest(folder / WEIGHTS), others[:12]
    except OSError as error:
        raise ModelUnavailableError(f"model {spec.name!r}: {folder} cannot be read ({error})") from None


def _digest_of_all(spec: ModelSpec, folder: Path) -> str:
    """Of names and bytes of peft's settings and of all that the modules are."""
    digest = hashlib.sha256()
    for name in (CONFIG, *sorted(adapter_modules(spec.name, folder))):
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
