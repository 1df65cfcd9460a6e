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
    place = folder.resolve()
    if place.is_relative_to(checkout) and in_checkout():
        folder = place.relative_to(checkout)
    elif not folder.is_absolute():
        folder = place
    return f"{SCHEME}:{folder.as_posix()}@{base}"


def in_checkout() -> bool:
    """Whether there is a checkout of medsearch, which relative folders are in."""
    return (checkout_or_here() / "medsearch" / "models.toml").is_file()


def missing_folder(source: str) -> str | None:
    """Why an adapter's folder is not there, and what to do; `None` where it is, and for all other sources."""
    parts, folder = split_adapter(source), adapter_folder(source)
    if parts is None or folder is None or folder.is_dir():
        return None
    if Path(parts[0]).expanduser().is_absolute():
        return f"its adapter's folder {folder} is not there; put it there, or correct the entry's source"
    if not in_checkout():
        return (
            f"its adapter's folder {parts[0]} comes with the repository of medsearch, and this is no checkout"
            " of it: run the command in one, or name the folder's full path in an entry of your own"
        )
    return (
        f"its adapter's folder {parts[0]} is not there, and what is shipped of adapters comes with the"
        " repository of medsearch: check that folder out again, or correct the entry's source"
    )
