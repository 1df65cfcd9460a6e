"""Corpora by name: find them in the data folders, read them, and load test collections."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from medsearch.corpora.collection import load_collection, read_queries, splits
from medsearch.corpora.documents import read_documents
from medsearch.corpora.jats.files import find_xml_files, is_package, is_xml
from medsearch.corpora.locations import (
    CorpusFormat,
    CorpusLocation,
    document_files,
    is_beir,
    locate,
    looks_like_notes,
    note_files,
    with_endings,
    without_ending,
)
from medsearch.corpora.stamps import fingerprint, quick_stamp
from medsearch.errors import UsageError

__all__ = [
    "CorpusFormat",
    "CorpusLocation",
    "find_corpus",
    "fingerprint",
    "list_corpora",
    "load_collection",
    "quick_stamp",
    "read_documents",
    "read_queries",
    "splits",
]

_CONTAINERS = frozenset({"raw", "interim", "processed"})
"""Folders that hold corpora and are never one."""

_NOT_CORPORA = frozenset({"index", "cache", "models"})


def find_corpus(name: str, folders: Sequence[Path]) -> CorpusLocation:
    """The corpus of a name in the data folders, earlier ones first, else at a path.

    A name is a folder (`medquad`, `covid_faq/en`) or a file without its endings (`clinical_notes/mtsamples`).
    A path into a data folder gets the name that it has there.

    Raises:
        UsageError: there is none; the message has the closest names and where they were looked for.
    """
    if Path(name).name in ("corpus.jsonl", "corpus.jsonl.gz"):
        name = str(Path(name).parent)
    wanted = without_ending(name.strip().rstrip("/"))
    path = Path(name.strip()).expanduser()
    if wanted and not path.is_absolute() and not name.startswith("."):
        for folder in folders:
            for candidate in with_endings(folder / name.strip()):
                if found := locate(wanted, candidate):
                    return found
    if wanted and path.exists():
        if found := locate(_name_of(path, folders), path):
            return found
        raise UsageError(
            f"{path} is not a corpus: in it is no corpus.jsonl[.gz], no .xml or .nxml article, "
            "and no .jsonl or .csv of notes with ids and text"
        )
    raise UsageError(_unknown(name, folders))


def list_corpora(folders: Sequence[Path]) -> list[CorpusLocation]:
    """Every corpus with documents in the data folders, by name; of two with one name the first folder's."""
    found: dict[str, CorpusLocation] = {}
    for folder in folders:
        for location in _corpora_in(folder, ""):
            found.setdefault(location.name, location)
    return [found[name] for name in sorted(found)]


def _corpora_in(folder: Path, prefix: str) -> Iterator[CorpusLocation]:
    if not folder.is_dir():
        return
    for file in note_files(folder):
        if looks_like_notes(file):
            yield CorpusLocation(prefix + without_ending(file.name), file, CorpusFormat.NOTES)
    for child in _subfolders(folder):
        name = prefix + child.name
        if child.name in _CONTAINERS and not prefix:
            yield from _corpora_in(child, f"{name}/")
        elif is_beir(child):
            location = CorpusLocation(name, child, CorpusFormat.BEIR)
            yield from [location] if document_files(location) else []
        elif child.name not in _NOT_CORPORA or prefix:
            yield from _in_other_folder(child, name)


def _in_other_folder(folder: Path, name: str) -> Iterator[CorpusLocation]:
    """A folder of articles is one corpus; of several collections, or of files of notes, each is one."""
    inside = list(_corpora_in(folder, f"{name}/")) if name.count("/") < 2 else []
    has_articles = any(is_xml(file.name) or is_package(file.name) for file in folder.iterdir())
    only_articles = all(location.format is CorpusFormat.JATS for location in inside)
    if has_articles or (only_articles and find_xml_files(folder)):
        yield CorpusLocation(name, folder, CorpusFormat.JATS)
    else:
        yield from inside


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _name_of(path: Path, folders: Sequence[Path]) -> str:
    resolved = path.resolve()
    for folder in folders:
        if resolved != folder.resolve() and resolved.is_relative_to(folder.resolve()):
            return without_ending(resolved.relative_to(folder.resolve()).as_posix())
    return without_ending(resolved.name)


def _unknown(name: str, folders: Sequence[Path]) -> str:
    names = [location.name for location in list_corpora(folders)]
    close = [other for other in names if other.startswith(f"{name}/")]
    close += [
        other for other in difflib.get_close_matches(name, names, n=3, cutoff=0.5) if other not in close
    ]
    hint = f"; did you mean {', '.join(close[:5])}?" if close else ""
    return f"no corpus called {name!r}{hint} (looked in {', '.join(map(str, folders))})"
