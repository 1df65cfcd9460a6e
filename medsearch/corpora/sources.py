"""The public corpora that `medsearch corpora get` knows: `data/sources.toml`, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from medsearch.errors import CorpusError, UsageError

_KEYS = (
    "title",
    "layout",
    "location",
    "revision",
    "licence",
    "home",
    "citation",
    "expected",
    "files",
    "note",
    "ignore_identical_ids",
)
_OPTIONAL = frozenset({"revision", "files", "note", "ignore_identical_ids"})
_NO_TEXT = frozenset({"expected", "files", "ignore_identical_ids"})
_NAME = re.compile(r"[a-z0-9_]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TABLE_FILES = ("{table}.jsonl", "{table}.jsonl.gz", "{table}/*.parquet", "data/{table}-*.parquet")
_QRELS_FILES = (
    "qrels/{split}.jsonl",
    "qrels/{split}.tsv",
    "qrels/{split}*.parquet",
    "data/{split}-*.parquet",
)


class Layout(StrEnum):
    """How a source keeps its data."""

    BEIR = "beir"
    """A hub data set with a corpus, a queries and a qrels table (MTEB's and BEIR's layout)."""
    PAIRS = "pairs"
    """A hub data set with one table of questions and answers; the answers are the documents."""
    PMC = "pmc"
    """The PMC Cloud Service: one JATS file an article, chosen by PMCID."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The counts a whole download has; `None` where no exact figure is published."""

    documents: int | None
    queries: int | None
    qrels: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of `sources.toml`.

    `location` is a hub data set id, or the base URL of the PMC service. `revision` is a commit, empty
    for a service without revisions. `files` maps a table ("corpus", "queries", "qrels/test", "pairs")
    to the globs that may hold it; the first that matches a file does. `ignore_identical_ids` says that
    queries are documents themselves, so that an evaluation passes over a document with its query's id.
    """

    name: str
    title: str
    layout: Layout
    location: str
    revision: str
    licence: str
    home: str
    citation: str
    expected: Expected
    files: Mapping[str, tuple[str, ...]]
    note: str = ""
    ignore_identical_ids: bool = False


def load_sources(file: Path) -> dict[str, Source]:
    """Read `sources.toml`: name -> source; `[name.subsets.X]` becomes the source `name/X`.

    Raises:
        CorpusError: the file is missing or not TOML, or an entry has an unknown, missing or wrong key.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusError(f"{file}: cannot read the list of public corpora: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{file}: not valid TOML: {error}") from error
    entries: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or not _NAME.fullmatch(name):
            raise CorpusError(f"{file}: [{name}]: an entry is a table named in a-z, 0-9 and _")
        subsets = table.pop("subsets", {})
        entries |= {f"{name}/{subset}": {**table, **own} for subset, own in subsets.items()} or {name: table}
    return {name: _source(name, entry, f"{file}: [{name}]") for name, entry in entries.items()}


def find_sources(folders: Sequence[Path]) -> Path:
    """The first `sources.toml` in these data folders.

    Raises:
        CorpusError: none of them has one.
    """
    for folder in folders:
        with suppress(OSError):  # a folder that may not be looked into has none for us
            if (folder / "sources.toml").is_file():
                return folder / "sources.toml"
    raise CorpusError(f"no sources.toml in {', '.join(map(str, folders))}; name its folder in MEDSEARCH_DATA")


def select_sources(sources: Mapping[str, Source], name: str) -> tuple[Source, ...]:
    """The source of this name, or all its subsets ("publichealth_qa" is its eight languages).

    Raises:
        UsageError: no source has this name.
    """
    chosen = tuple(one for key, one in sources.items() if key == name or key.startswith(f"{name}/"))
    if not chosen:
        raise UsageError(f"no public corpus is named {name!r}; there are: {', '.join(sources)}")
    return chosen


def _source(name: str, entry: Mapping[str, Any], where: str) -> Source:
    for key in entry:
        if key not in _KEYS:
            raise CorpusError(f"{where}: unknown key {key!r}; known are {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in entry and key not in _OPTIONAL:
            raise CorpusError(f"{where}: the key {key!r} is missing")
        if key not in _NO_TEXT and not isinstance(entry.get(key, ""), str):
            raise CorpusError(f"{where}: {key!r} must be a string")
    if not isinstance(entry.get("ignore_identical_ids", False), bool):
        raise CorpusError(f"{where}: 'ignore_identical_ids' must be true or false")
    layout = _layout(entry["layout"], where)
    revision = entry.get("revision", "")
    if layout is not Layout.PMC and not _COMMIT.fullmatch(revision):
        raise CorpusError(
            f"{where}: 'revision' must be a whole commit hash, so that everyone gets the same data"
        )
    expected = _expected(entry["expected"], where)
    texts = {key: entry[key] for key in ("title", "location", "licence", "home", "citation")}
    files = _usual_files(layout, expected)
    for table, glob in _files(entry.get("files", {}), where).items():
        files[table] = (glob, *files.get(table, ()))
    return Source(
        name=name,
        layout=layout,
        revision=revision,
        expected=expected,
        files=files,
        note=entry.get("note", ""),
        ignore_identical_ids=entry.get("ignore_identical_ids", False),
        **texts,
    )


def _layout(value: str, where: str) -> Layout:
    try:
        return Layout(value)
    except ValueError as error:
        raise CorpusError(f"{where}: 'layout' is {value!r}, not one of {', '.join(Layout)}") from error


def _expected(value: object, where: str) -> Expected:
    keys = {"documents", "queries", "qrels"}
    if not isinstance(value, dict) or set(value) != keys or not isinstance(value["qrels"], dict):
        raise CorpusError(
            f"{where}: 'expected' must have documents, queries and a table qrels, and nothing else"
        )
    qrels = {
        split: _count(count, f"expected.qrels.{split}", where) for split, count in value["qrels"].items()
    }
    return Expected(
        documents=_count(value["documents"], "expected.documents", where),
        queries=_count(value["queries"], "expected.queries", where),
        qrels=qrels,
    )


def _count(value: object, key: str, where: str) -> int | None:
    if value == "unknown":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CorpusError(f"{where}: '{key}' must be a count or \"unknown\"")
    return value


def _files(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(glob, str) for glob in value.values()):
        raise CorpusError(f"{where}: 'files' must map a table to the glob of its files")
    return value


def _usual_files(layout: Layout, expected: Expected) -> dict[str, tuple[str, ...]]:
    if layout is not Layout.BEIR:
        return {}
    tables = {table: tuple(f.format(table=table) for f in _TABLE_FILES) for table in ("corpus", "queries")}
    qrels = {f"qrels/{split}": tuple(f.format(split=split) for f in _QRELS_FILES) for split in expected.qrels}
    return tables | qrels
