"""`medsearch evaluate`: nDCG@10 and its companions on a test collection, as a table or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from medsearch.cli.index import add_passage_arguments, passage_settings
from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.keep import keep
from medsearch.evaluation.measures import MEASURES
from medsearch.search.benchmark import BenchmarkRequest, run_benchmark
from medsearch.search.names import models_of
from medsearch.search.run_file import RunFileRequest, score_run_file
from medsearch.settings import Settings
from medsearch.types import PassageSettings

SHOWN = ("corpus", "split", "documents", "queries", "queries_judged", "models", "settings", "warnings")
"""What `--json` prints of a result record; `--out` keeps all of it."""

_MODELS = "minilm,bm25"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("corpus", metavar="CORPUS", help="a test collection by name, or its folder")
    parser.add_argument("--models", help=f"retrievers, comma-separated (default: {_MODELS})")
    parser.add_argument("--split", default="test", help="whose judgements (default: test)")
    parser.add_argument("--passages", action="store_true", help="search passages, as the page does")
    parser.add_argument("--approximate", action="store_true", help="search the graph, as the page does")
    add_passage_arguments(parser, PassageSettings())
    # Without --passages these two would do nothing, so it must be known whether they were given.
    parser.set_defaults(passage_tokens=None, overlap_tokens=None)
    parser.add_argument(
        "--ignore-identical-ids", action="store_true",
        help="pass over a document with its query's own id (always so on arguana)",
    )  # fmt: skip
    parser.add_argument("--run", type=Path, metavar="FILE", help="score this TREC run instead of models")
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="with --run: judge by these TREC qrels")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep results, runs and qrels there")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print, and keep what was asked for."""
    _check(arguments)
    record, evaluations = _score_models(arguments) if arguments.run is None else _score_run(arguments)
    if arguments.out is not None:
        keep(record, evaluations, arguments.out)
    if arguments.json:
        show_json({key: record[key] for key in SHOWN})
        return 0
    rows = [
        [name, *(f"{100 * scores[measure]:.1f}" for measure in MEASURES)]
        for name, scores in record["models"].items()
    ]
    print(f"{record['corpus']} ({record['split']}), {record['queries']:,} queries, scores times 100\n")
    show_table(rows, ["retriever", *MEASURES])
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that would be without effect.

    Raises:
        UsageError: naming the option and what it goes with.
    """
    cutting = arguments.passage_tokens is not None or arguments.overlap_tokens is not None
    if arguments.qrels is not None and arguments.run is None:
        raise UsageError("--qrels goes with --run FILE: models are judged by the corpus's own judgements")
    if cutting and not arguments.passages:
        raise UsageError(
            "--passage-tokens and --overlap-tokens go with --passages: add it, or leave them out"
        )
    if arguments.run is not None and (arguments.models or arguments.passages or arguments.approximate):
        raise UsageError("--run FILE scores that run: leave out --models, --passages and --approximate")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: it is a file; name a folder")


def _score_models(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[Evaluation]]:
    settings = Settings.from_environment()
    registry = load_registry(settings.models)
    names, _ = models_of(_MODELS if arguments.models is None else arguments.models, registry)
    request = BenchmarkRequest(
        location=find_corpus(arguments.corpus, settings.data),
        split=arguments.split,
        retrievers=tuple(names),
        passages=passage_settings(arguments) if arguments.passages else None,
        approximate=arguments.approximate,
        ignore_identical_ids=arguments.ignore_identical_ids,
        trec_files=arguments.out is not None,
    )
    return run_benchmark(request, settings, registry, TerminalProgress())


def _score_run(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[Evaluation]]:
    settings = Settings.from_environment()
    request = RunFileRequest(
        location=find_corpus(arguments.corpus, settings.data),
        split=arguments.split,
        run=arguments.run,
        qrels=arguments.qrels,
        ignore_identical_ids=arguments.ignore_identical_ids,
    )
    record, evaluation = score_run_file(request, settings, TerminalProgress())
    return record, [evaluation]
