"""A model's source "adapter:DIR@BASE": the folder of an adapter, and the model of the registry it changes.

A relative DIR is in the checkout, so that an entry which ships with medsearch, an index and a result mean the
same folder wherever a command is run from. The registry spells a user's DIR so when it reads the entry.
"""

from __future__ import annotations

from pathlib import Path

from medsearch.settings import checkout_or_here

SCHEME = "adapter"


def split_adapter(source: str) -> tuple[str, str] | None:
    """(DIR, BASE) of an adapter's source, "" where one is left out; `None` for all other sources.

    BASE comes behind the last "@": a folder's name may have one, a model's name may not.
    """
    scheme, _, rest = source.partition(":")
    if scheme != SCHEME:
        return None
    directory, at, base = rest.rpartition("@")
    return (directory, base) if at else (rest, "")


def adapter_folder(source: str) -> Path | None:
    """The adapter's folder; `None` for all other sources."""
    parts = split_adapter(source)
    return None if parts is None else checkout_or_here() / Path(parts[0]).expanduser()


def settled_adapter(source: str) -> str:
    """An adapter's source, a relative DIR being in the working directory, so that it holds anywhere.

    What lies in the checkout is named from there, so that a result does not say where the checkout is.
    """
    directory, base = split_adapter(source) or ("", "")
    folder, checkout = Path(directory).expanduser(), checkout_or_here().resolve()
    if not folder.is_absolute():
        folder = folder.resolve()
        folder = folder.relative_to(checkout) if folder.is_relative_to(checkout) else folder
    return f"{SCHEME}:{folder.as_posix()}@{base}"
