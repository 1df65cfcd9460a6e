"""Corpora by name: find them in the data folders, read them, and load test collections."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medsearch.corpora.collection import load_collection, read_judgements, read_queries, splits
from medsearch.corpora.documents import read_documents
from medsearch.corpora.listing import folder_problem, list_corpora, why
from medsearch.corpora.locations import (
    DOWNLOADS,
    CorpusFormat,
    CorpusLocation,
    locate,
    with_endings,
    without_ending,
)
from medsearch.corpora.rejects import Rejects
from medsearch.corpora.stamps import fingerprint, quick_stamp
from medsearch.errors import CorpusError, UsageError

__all__ = [
    "CorpusFormat",
    "CorpusLocation",
    "find_corpus",
    "fingerprint",
    "list_corpora",
    "load_collection",
    "quick_stamp",
    "read_documents",
    "read_judgements",
    "read_queries",
    "splits",
]

_REMARKS = 3
"""How many folders that cannot be read are named in an error."""


def find_corpus(name: str, folders: Sequence[Path]) -> CorpusLocation:
    """The corpus of a name in the data folders, earlier ones first, else at a path.

    A name is a folder (`medquad`, `covid_faq/en`) or a file without its endings (`clinical_notes/mtsamples`),
    also in the `raw` folder that public corpora are fetched into.
    A path into a data folder gets the name that it has there.

    Raises:
        UsageError: there is none; the message has the closest names and where they were looked for.
        CorpusError: it may be there, but the system does not let it be read.
    """
    if Path(name).name in ("corpus.jsonl", "corpus.jsonl.gz"):
        name = str(Path(name).parent)
    wanted = without_ending(name.strip().rstrip("/"))
    path = _expanded(name.strip())
    if wanted and not path.is_absolute() and not name.startswith("."):
        for folder in (inside for outer in folders for inside in (outer, outer / DOWNLOADS)):
            for candidate in with_endings(folder / name.strip()):
                if found := _locate(wanted, candidate, []):
                    return found
    unreadable: list[str] = []
    if wanted and (found := _locate("", path, unreadable)):
        return replace(found, name=_name_of(path, folders))
    if unreadable:
        raise CorpusError(unreadable[0])
    if wanted and os.path.exists(path):  # noqa: PTH110 - a name too long for a file is no error here
        raise UsageError(
            f"{path} is not a corpus: in it is no corpus.jsonl[.gz], no .xml or .nxml article, "
            "and no .jsonl or .csv of notes with ids and text"
        )
    raise UsageError(_unknown(name, folders))


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return Path(name)


def _locate(name: str, path: Path, unreadable: list[str]) -> CorpusLocation | None:
    """The corpus at a path, if any; a path that is there but cannot be read is written down."""
    try:
        return locate(name, path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            unreadable.append(f"{path}: {why(error)}")
    return None


def _name_of(path: Path, folders: Sequence[Path]) -> str:
    resolved = path.resolve()
    for folder in folders:
        if resolved != folder.resolve() and resolved.is_relative_to(folder.resolve()):
            inside = resolved.relative_to(folder.resolve()).as_posix()
            return without_ending(inside.removeprefix(f"{DOWNLOADS}/"))
    return without_ending(resolved.name)


def _unknown(name: str, folders: Sequence[Path]) -> str:
    problems = {folder: folder_problem(folder) for folder in folders}
    rejects = Rejects()
    names = [found.name for found in list_corpora([f for f in folders if not problems[f]], rejects)]
    close = [other for other in names if other.startswith(f"{name}/")]
    close += [
        other for other in difflib.get_close_matches(name, names, n=3, cutoff=0.5) if other not in close
    ]
    hint = f"; did you mean {', '.join(close[:5])}?" if close else ""
    looked = ", ".join(
        f"{folder} ({problem})" if problem else str(folder) for folder, problem in problems.items()
    )
    return "; ".join([f"no corpus called {name!r}{hint} (looked in {looked})", *rejects.warnings[:_REMARKS]])
