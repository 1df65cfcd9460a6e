"""`medsearch corpora`: what is on this machine, with counts; `corpora get NAME` fetches a public corpus."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, clean, show_json, show_table
from medsearch.corpora.catalogue import (
    CorpusLocation,
    list_corpora,
    read_documents,
    read_queries,
    splits,
)
from medsearch.corpora.download import get_corpus
from medsearch.corpora.rejects import EXAMPLES_KEPT, Rejects
from medsearch.corpora.sources import find_sources, load_sources, select_sources
from medsearch.errors import CorpusError, UsageError
from medsearch.search.searcher import indexed_corpora
from medsearch.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `corpora`."""
    parser.add_argument("action", nargs="?", choices=("list", "get"), default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="with get: a public corpus of sources.toml")
    parser.add_argument(
        "--articles", default="", metavar="FILE",
        help="with get pmc_oa: a file of PMCIDs, one a line, or a .tar.gz package",
    )  # fmt: skip
    parser.add_argument("--into", type=Path, metavar="DIR", help="with get: where to (default: data/raw)")


def run(arguments: argparse.Namespace) -> int:
    """List or fetch."""
    settings = Settings.from_environment()
    if arguments.action == "get":
        return _get(arguments, settings)
    if arguments.name or arguments.articles or arguments.into:
        raise UsageError("NAME, --articles and --into go with `medsearch corpora get NAME`")
    return _list(arguments, settings)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    listing = Rejects()
    locations = list_corpora(settings.data, listing)
    indexed = _indexed(settings, listing)
    with TerminalProgress().stage("Counting", len(locations)) as advance:
        records = [_counted(location, indexed, advance) for location in locations]
    here = {record["name"] for record in records}
    public = [name for name in _public(settings) if name not in here]
    if arguments.json:
        show_json({"corpora": records, "public": public, "remarks": listing.warnings})
        return 0
    rows = [
        [
            record["name"],
            record["format"],
            f"{record['documents']:,}",
            f"{record['queries']:,}",
            ", ".join(record["splits"]),
            f"{record['rejects']:,}",
            f"{record['warnings']:,}",
            "yes" if record["indexed"] else "",
        ]
        for record in records
    ]
    show_table(
        rows,
        ["corpus", "format", "documents", "queries", "judged splits", "bad records", "remarks", "indexed"],
    )
    if public:
        print(f"\nCan be fetched with `medsearch corpora get NAME`: {', '.join(public)}")
    for remark in listing.warnings:
        print(f"remark: {clean(remark)}", file=sys.stderr)
    for record in records:
        more = f" (and {record['warnings'] - 1:,} more)" if record["warnings"] > 1 else ""
        for remark in record["remarks"][:1]:
            print(f"remark on {clean(record['name'])}: {clean(remark)}{more}", file=sys.stderr)
    return 0


def _counted(location: CorpusLocation, indexed: set[str], advance: Callable[[int], None]) -> dict[str, Any]:
    """The counts of a corpus; one that cannot be read to its end has those up to there, and a remark."""
    rejects = Rejects()
    counts = {"documents": 0, "queries": 0}
    judged: tuple[str, ...] = ()
    try:
        for _ in read_documents(location, rejects):
            counts["documents"] += 1
        for _ in read_queries(location, rejects):
            counts["queries"] += 1
        judged = splits(location)
    except CorpusError as error:
        rejects.warnings.insert(0, str(error))
    except OSError as error:
        rejects.warnings.insert(0, f"{error.filename or location.path}: {error.strerror or error}")
    advance(1)
    return {
        "name": location.name,
        "path": str(location.path),
        "format": str(location.format),
        **counts,
        "splits": list(judged),
        "rejects": rejects.count,
        "warnings": len(rejects.warnings),
        "remarks": rejects.warnings[:EXAMPLES_KEPT],
        "indexed": location.name in indexed,
    }


def _indexed(settings: Settings, listing: Rejects) -> set[str]:
    try:
        return set(indexed_corpora(settings))
    except OSError as error:
        listing.warn(str(settings.index), f"cannot be read: {error.strerror or error}")
        return set()


def _public(settings: Settings) -> list[str]:
    try:
        return list(load_sources(find_sources(settings.data)))
    except CorpusError:
        return []


def _get(arguments: argparse.Namespace, settings: Settings) -> int:
    sources = load_sources(find_sources(settings.data))
    if not arguments.name:
        raise UsageError(f"name a corpus to get: {', '.join(sources)}")
    target = arguments.into or settings.data[-1] / "raw"
    reports = []
    for source in select_sources(sources, arguments.name):
        with ExitStack() as stack:
            bars = _Bars(stack)
            reports.append(get_corpus(source, target, selection=arguments.articles, progress=bars.show))
    if arguments.json:
        show_json({"corpora": [{**asdict(report), "folder": str(report.folder)} for report in reports]})
        return 0
    for report in reports:
        fetched = "fetched" if report.fetched else "already there and intact"
        print(
            f"{report.name}: {report.counts.documents:,} documents, {report.counts.queries:,} queries; "
            f"{fetched}; {report.folder}"
        )
        for remark in report.remarks:
            print(f"  note: {clean(remark)}")
    return 0


class _Bars:
    """One progress bar for each thing that is downloaded."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, tuple[Callable[[int], None], list[int]]] = {}
        self._progress = TerminalProgress()

    def show(self, what: str, done: int, total: int) -> None:
        if what not in self._open:
            advance = self._stack.enter_context(self._progress.stage(what, total or None))
            self._open[what] = (advance, [0])
        advance, seen = self._open[what]
        if done > seen[0]:
            advance(done - seen[0])
            seen[0] = done
