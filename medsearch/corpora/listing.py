"""Every corpus in the data folders; what cannot be read is remarked on and hides nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from medsearch.corpora.jats.files import find_xml_files, is_package, is_xml
from medsearch.corpora.locations import (
    DOWNLOADS,
    CorpusFormat,
    CorpusLocation,
    document_files,
    is_beir,
    is_notes_name,
    looks_like_notes,
    without_ending,
)
from medsearch.corpora.rejects import Rejects

_CONTAINERS = frozenset({"interim", "processed"})
"""Folders that hold corpora and are never one."""

_NOT_CORPORA = frozenset({"index", "cache", "models"})


def list_corpora(folders: Sequence[Path], rejects: Rejects | None = None) -> list[CorpusLocation]:
    """Every corpus with documents in the data folders, by name; of two with one name the first folder's.

    A folder or file that cannot be read, or is not there, is a warning of `rejects`.
    """
    remarks = rejects or Rejects()
    found: dict[str, CorpusLocation] = {}
    for folder in folders:
        if problem := folder_problem(folder):
            remarks.warn(str(folder), problem)
            continue
        for location in _corpora_in(folder, "", remarks):
            found.setdefault(location.name, location)
    return [found[name] for name in sorted(found)]


def folder_problem(folder: Path) -> str:
    """Why nothing can be looked for in a data folder; empty where something can."""
    try:
        there, is_folder = folder.exists(), folder.is_dir()
    except OSError as error:
        return why(error)
    return "" if is_folder else "is not a folder" if there else "no such folder"


def why(error: OSError) -> str:
    """The system's reason, such as "cannot be read: Permission denied"."""
    return f"cannot be read: {error.strerror or error}"


def _corpora_in(folder: Path, prefix: str, rejects: Rejects) -> Iterator[CorpusLocation]:
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        rejects.warn(str(folder), why(error))
        return
    for child in children:
        try:
            yield from list(_corpora_at(child, prefix, rejects))
        except OSError as error:
            rejects.warn(str(child), why(error))


def _corpora_at(path: Path, prefix: str, rejects: Rejects) -> Iterator[CorpusLocation]:
    name = prefix + path.name
    if not path.is_dir():
        if is_notes_name(path) and path.is_file() and _opens(path) and looks_like_notes(path):
            yield CorpusLocation(prefix + without_ending(path.name), path, CorpusFormat.NOTES)
    elif _leads_back(path):
        rejects.warn(str(path), "a link to a folder that it lies in; not followed")
    elif path.name == DOWNLOADS and not prefix:
        yield from _corpora_in(path, "", rejects)
    elif path.name in _CONTAINERS and not prefix:
        yield from _corpora_in(path, f"{name}/", rejects)
    elif is_beir(path):
        location = CorpusLocation(name, path, CorpusFormat.BEIR)
        yield from [location] if document_files(location) else []
    elif path.name not in _NOT_CORPORA or prefix:
        yield from _in_other_folder(path, name, rejects)


def _in_other_folder(folder: Path, name: str, rejects: Rejects) -> Iterator[CorpusLocation]:
    """A folder of articles is one corpus; of several collections, or of files of notes, each is one."""
    has_articles = any(is_xml(file.name) or is_package(file.name) for file in folder.iterdir())
    inside = list(_corpora_in(folder, f"{name}/", rejects)) if name.count("/") < 2 else []
    only_articles = all(location.format is CorpusFormat.JATS for location in inside)
    if has_articles or (only_articles and find_xml_files(folder)):
        yield CorpusLocation(name, folder, CorpusFormat.JATS)
    else:
        yield from inside


def _opens(file: Path) -> bool:
    with file.open("rb"):
        return True


def _leads_back(folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in itself, so that following it would never end."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
