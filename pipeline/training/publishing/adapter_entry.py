"""Makes a published adapter's folder say all that is needed to use it alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from medsearch.encoders.adapter_files import WEIGHTS, pinned_adapter
from medsearch.encoders.adapter_modules import copy_modules
from medsearch.encoders.verify import FILES_MARK
from medsearch.types import ModelKind, ModelSpec
from pipeline.training.choosing.candidates import ADAPTER
from pipeline.training.registry_entry import REGISTRY, entry_text

_SETTINGS = (
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
"""What says a dense model's pooling, length and prompts; one of late interaction has `adapter_modules`."""


def write_adapter_entry(spec: ModelSpec, base: str, draft: Path, home: Path) -> None:
    """Write beside the adapter in `draft` the model's settings and an entry by which it is loaded alone.

    In the entry the adapter lies in `home`, the model's final folder, and changes the model `base` of the
    registry; its files are pinned: of late interaction the modules too, which are copied beside it. A digest
    of the whole model's files, which its own entry has, is not the adapter's. Nothing is written where a
    model has no adapter.

    Raises:
        ModelUnavailableError: A late-interaction model's folder lacks a setting or a module.
    """
    folder = draft / ADAPTER
    if not has_adapter(spec.kind, draft):
        return
    if spec.kind is ModelKind.LATE_INTERACTION:
        copy_modules(spec.name, draft, folder)
    else:
        for name in _SETTINGS:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(draft / name, folder / name)
    made = replace(
        spec,
        source=f"adapter:{folder.absolute()}@{base}",
        revision=spec.revision.partition(FILES_MARK)[0],
        sha256="",
    )
    pinned = pinned_adapter(made)
    source = f"adapter:{home.absolute() / ADAPTER}@{base}"
    (folder / REGISTRY).write_text(entry_text(pinned, source, sha256=pinned.sha256), encoding="utf-8")


def has_adapter(kind: ModelKind, folder: Path) -> bool:
    """Whether the model in this folder has an adapter that can be used without it."""
    return kind is not ModelKind.SPARSE and (folder / ADAPTER / WEIGHTS).is_file()
