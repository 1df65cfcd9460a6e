"""Does an adapter's folder say what the registry says: the base it was made for, pooling, length, prompts?"""

from __future__ import annotations

import json
from pathlib import Path

from medsearch.adapter_source import adapter_folder
from medsearch.encoders.token_folder import verify_token_settings
from medsearch.encoders.verify import verify_settings
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelKind, ModelSpec

_PROVENANCE = "provenance.json"
"""Its format is `medsearch.evaluation.provenance`'s; what counts here is `base` alone."""


def verify_adapter(spec: ModelSpec, base: ModelSpec) -> None:
    """Refuse an entry that contradicts what lies beside the adapter's files, as far as that is there.

    A folder that training published has a provenance, and settings as sentence-transformers writes them. One
    of late interaction must have these, and all its modules.

    Raises:
        ModelUnavailableError: The message names what differs, and the file.
    """
    folder = adapter_folder(spec.source)
    if folder is None or not folder.is_dir():
        return
    stated = _stated_base(spec, folder / _PROVENANCE)
    if stated not in ("", base.name):
        raise ModelUnavailableError(
            f"model {spec.name!r}: its adapter was made for {stated} ({folder / _PROVENANCE}), and the"
            f" entry's source names {base.name}; correct the entry's source"
        )
    verify_model_settings(spec, folder)


def verify_model_settings(spec: ModelSpec, folder: Path) -> None:
    """Refuse settings in a folder that contradict the registry, or that are not of the model's kind.

    Raises:
        ModelUnavailableError: The message names what differs.
    """
    if spec.kind is ModelKind.LATE_INTERACTION:
        verify_token_settings(spec, folder)
    else:
        verify_settings(spec, folder)


def _stated_base(spec: ModelSpec, file: Path) -> str:
    """The base that the provenance names, "" where there is none."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(f"model {spec.name!r}: {file} cannot be read ({error})") from None
    return str(content.get("base") or "") if isinstance(content, dict) else ""
