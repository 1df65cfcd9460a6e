"""`medsearch corpora`: what is on this machine, with counts; `corpora get NAME` fetches a public corpus."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.corpora.catalogue import (
    CorpusLocation,
    list_corpora,
    read_documents,
    read_queries,
    splits,
)
from medsearch.corpora.download import get_corpus
from medsearch.corpora.rejects import Rejects
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
    locations = list_corpora(settings.data)
    indexed = set(indexed_corpora(settings))
    with TerminalProgress().stage("Counting", len(locations)) as advance:
        records = [_counted(location, indexed, advance) for location in locations]
    here = {record["name"] for record in records}
    public = [name for name in _public(settings) if name not in here]
    if arguments.json:
        show_json({"corpora": records, "public": public})
        return 0
    rows = [
        [
            record["name"],
            record["format"],
            f"{record['documents']:,}",
            f"{record['queries']:,}",
            ", ".join(record["splits"]),
            f"{record['rejects']:,}",
            "yes" if record["indexed"] else "",
        ]
        for record in records
    ]
    show_table(rows, ["corpus", "format", "documents", "queries", "judged splits", "bad records", "indexed"])
    if public:
        print(f"\nCan be fetched with `medsearch corpora get NAME`: {', '.join(public)}")
    return 0


def _counted(location: CorpusLocation, indexed: set[str], advance: Callable[[int], None]) -> dict[str, Any]:
    rejects = Rejects()
    record = {
        "name": location.name,
        "path": str(location.path),
        "format": str(location.format),
        "documents": sum(1 for _ in read_documents(location, rejects)),
        "queries": sum(1 for _ in read_queries(location, rejects)),
        "splits": list(splits(location)),
        "rejects": rejects.count,
        "indexed": location.name in indexed,
    }
    advance(1)
    return record


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
            print(f"  note: {remark}")
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
