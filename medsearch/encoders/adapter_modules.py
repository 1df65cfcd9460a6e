"""What lies beside the two peft files of a late-interaction adapter: its settings and modules."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from medsearch.encoders.token_modules import DENSE, MODULES, TRANSFORMER, module_kind, read_modules
from medsearch.errors import ModelUnavailableError

_SETTINGS = (MODULES, "config_sentence_transformers.json", "sentence_bert_config.json")
_INSIDE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")
"""Of a module's folder: no path that leaves the adapter's, whatever system reads it."""


def adapter_modules(name: str, folder: Path) -> tuple[str, ...]:
    """Paths inside of `folder` of all files that make a late-interaction model of a transformer.

    They are the settings, and of each module of `modules.json` its `config.json` and, of a projection, its
    weights: nothing else there is read. The transformer itself is the base's, with the adapter merged in.

    Args:
        name: The model's, for messages.
        folder: The adapter's, or that of a whole model.

    Raises:
        ModelUnavailableError: One is missing or a link, or a module is not in a folder inside of this one.
    """
    _check_files(name, folder, _SETTINGS)
    files = [*_SETTINGS]
    for number, module in enumerate(read_modules(folder)):
        kind, path = module_kind(module), str(module["path"])
        if number == 0 and path in ("", "."):
            continue
        if number == 0 or kind == TRANSFORMER or not _INSIDE.fullmatch(path):
            raise ModelUnavailableError(
                f"model {name!r}: {folder / MODULES} puts module {number} into {path!r}, and its transformer"
                " must be first and in the adapter's own folder, each other module in a folder inside of it"
            )
        files += [f"{path}/config.json", *([f"{path}/model.safetensors"] if kind == DENSE else [])]
    _check_files(name, folder, files)
    return tuple(dict.fromkeys(files))


def copy_modules(name: str, folder: Path, target: Path) -> None:
    """Copy `adapter_modules` of one folder into another.

    Raises:
        ModelUnavailableError: As there.
        OSError: One cannot be copied.
    """
    for file in adapter_modules(name, folder):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, target / file)


def _check_files(name: str, folder: Path, files: Sequence[str]) -> None:
    for file in map(PurePosixPath, files):
        if not (folder / file).is_file():
            raise ModelUnavailableError(
                f"model {name!r}: {folder} has no {file}, and an adapter of late interaction needs its"
                " settings and modules beside its weights; copy the whole folder"
            )
        if any((folder / part).is_symlink() for part in (file, *file.parents[:-1])):
            raise ModelUnavailableError(
                f"model {name!r}: {folder / file} is a link, or lies behind one, and no link is followed out"
                " of an adapter's folder; put the file itself there"
            )
