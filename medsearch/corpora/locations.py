"""Which folders and files are corpora, of which format, and which of their files hold the documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from medsearch.corpora.beir import find_plain_or_gzip, find_splits
from medsearch.corpora.jats.files import find_xml_files, is_package, is_xml
from medsearch.corpora.lines import read_lines
from medsearch.corpora.notes import is_csv
from medsearch.corpora.notes_csv import missing_columns, read_header
from medsearch.corpora.records import BadRecordError, parse_record
from medsearch.corpora.rejects import Rejects

_NOTE_ENDINGS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz")
_ENDINGS = (*_NOTE_ENDINGS, ".xml", ".nxml", ".xml.gz", ".nxml.gz", ".tar.gz", ".tgz")
_LINES_PROBED = 5


DOWNLOADS = "raw"
"""The folder of a data folder that public corpora are fetched into; it is no part of their names."""


class CorpusFormat(StrEnum):
    """How a corpus is stored."""

    BEIR = "beir"
    JATS = "jats"
    NOTES = "notes"


@dataclass(frozen=True, slots=True)
class CorpusLocation:
    """Where a corpus is. `path` is a folder, or the file of notes or articles itself."""

    name: str
    path: Path
    format: CorpusFormat


def locate(name: str, path: Path) -> CorpusLocation | None:
    """The corpus at a path, by what is in it; `None` where there is none.

    A folder is BEIR if it has a corpus, queries or judgements, else JATS if there are articles at any
    depth, else notes if files directly in it hold some.
    """
    if path.is_file():
        found = CorpusFormat.JATS if is_xml(path.name) or is_package(path.name) else CorpusFormat.NOTES
        if found is CorpusFormat.NOTES and not path.name.endswith(_NOTE_ENDINGS):
            return None
        return CorpusLocation(name, path, found)
    if not path.is_dir():
        return None
    if is_beir(path):
        return CorpusLocation(name, path, CorpusFormat.BEIR)
    if find_xml_files(path):
        return CorpusLocation(name, path, CorpusFormat.JATS)
    if any(looks_like_notes(file) for file in note_files(path)):
        return CorpusLocation(name, path, CorpusFormat.NOTES)
    return None


def is_beir(folder: Path) -> bool:
    """Whether a folder has any of the three parts of a BEIR collection."""
    names = ("corpus.jsonl", "queries.jsonl")
    return any(find_plain_or_gzip(folder, name) for name in names) or bool(find_splits(folder))


def note_files(path: Path) -> list[Path]:
    """The file itself, or the JSONL and CSV files directly in a folder, by name."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if is_notes_name(file) and file.is_file())


def is_notes_name(path: Path) -> bool:
    """Whether a file name may be that of notes; a hidden one may not."""
    return path.name.endswith(_NOTE_ENDINGS) and not path.name.startswith(".")


def document_files(location: CorpusLocation) -> list[Path]:
    """The files that the documents of a corpus are read from, in reading order; empty if it has none."""
    if location.format is CorpusFormat.BEIR:
        corpus = find_plain_or_gzip(location.path, "corpus.jsonl")
        return [] if corpus is None else [corpus]
    if location.format is CorpusFormat.JATS:
        return find_xml_files(location.path)
    if location.path.is_file():
        return [location.path]
    return [file for file in note_files(location.path) if looks_like_notes(file)]


def looks_like_notes(file: Path) -> bool:
    """Whether a CSV's header, or any of a JSONL's first records, has an id and text."""
    if is_csv(file):
        return not missing_columns(read_header(file))
    for _number, line in islice(read_lines(file, Rejects()), _LINES_PROBED):
        try:
            parse_record(line, "")
        except BadRecordError:
            continue
        return True
    return False


def without_ending(name: str) -> str:
    """A file name without the endings that say its format."""
    ending = max((ending for ending in _ENDINGS if name.endswith(ending)), key=len, default="")
    return name.removesuffix(ending)


def with_endings(path: Path) -> Iterator[Path]:
    """The path as it is, then with each ending that a corpus file may have."""
    yield path
    for ending in _ENDINGS:
        yield path.with_name(path.name + ending)
