"""`medsearch index`: make or extend the index of a corpus."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, clean, show_json
from medsearch.corpora.catalogue import find_corpus
from medsearch.corpora.rejects import first_rejects
from medsearch.encoders.registry import load_registry
from medsearch.index.manifest import Manifest
from medsearch.search.indexing import REJECTS, IndexRequest, index_corpus
from medsearch.search.names import models_of
from medsearch.search.searcher import index_folder
from medsearch.settings import Settings
from medsearch.types import PassageSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `index`."""
    defaults = PassageSettings()
    parser.add_argument("corpus", metavar="CORPUS", help="a corpus by name, or a folder or file of one")
    parser.add_argument("--models", default="minilm,bm25", help="comma-separated (default: minilm,bm25)")
    add_passage_arguments(parser, defaults)
    parser.add_argument("--strict", action="store_true", help="stop at the first bad record")
    parser.add_argument("--rebuild", action="store_true", help="replace an index made with other settings")


def add_passage_arguments(parser: argparse.ArgumentParser, defaults: PassageSettings) -> None:
    """The options that say how documents are cut."""
    parser.add_argument(
        "--passage-tokens", type=int, default=defaults.max_tokens, metavar="N",
        help=f"tokens a passage, at most (default: {defaults.max_tokens})",
    )  # fmt: skip
    parser.add_argument(
        "--overlap-tokens", type=int, default=defaults.overlap_tokens, metavar="N",
        help=f"tokens that the next passage may repeat (default: {defaults.overlap_tokens})",
    )  # fmt: skip


def passage_settings(arguments: argparse.Namespace) -> PassageSettings:
    """How documents are cut, as asked for; what was not given is as usual."""
    usual = PassageSettings()
    tokens, overlap = arguments.passage_tokens, arguments.overlap_tokens
    return PassageSettings(
        usual.max_tokens if tokens is None else tokens, usual.overlap_tokens if overlap is None else overlap
    )


def run(arguments: argparse.Namespace) -> int:
    """Index, and say what came of it."""
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    location = find_corpus(arguments.corpus, settings.data)
    _, models = models_of(arguments.models, registry)
    request = IndexRequest(
        location, models, passage_settings(arguments), strict=arguments.strict, rebuild=arguments.rebuild
    )
    folder = index_folder(location.name, settings)
    progress = TerminalProgress()
    started = time.perf_counter()
    manifest = index_corpus(request, folder, settings, registry, progress)
    seconds = time.perf_counter() - started
    if arguments.json:
        show_json(
            {
                "corpus": location.name,
                "index": str(folder),
                "models": sorted(manifest.plan.models),
                **asdict(manifest.counts),
                "content": manifest.content,
                "seconds": round(seconds, 3),
            }
        )
    else:
        _print(manifest, folder, seconds)
    return 0


def _print(manifest: Manifest, folder: Path, seconds: float) -> None:
    counts = manifest.counts
    print(
        f"{manifest.plan.corpus}: {counts.documents:,} documents in {counts.passages:,} passages, "
        f"searchable by {', '.join(sorted(manifest.plan.models))}; {seconds:.0f} s; {folder}"
    )
    if counts.rejects:
        print(f"{counts.rejects:,} bad records set aside, each with its place and reason: {folder / REJECTS}")
        for line in first_rejects(folder / REJECTS):
            print(f"  {clean(line)}", file=sys.stderr)
    if counts.long_passages:
        print(
            f"{counts.long_passages:,} sentences are longer than {manifest.plan.passages.max_tokens} tokens "
            "each: kept whole, but a model reads only their beginning"
        )
