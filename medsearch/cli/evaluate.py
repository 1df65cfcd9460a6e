"""`medsearch evaluate`: nDCG@10 and its companions on a test collection, as a table or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from medsearch.cli.index import add_passage_arguments, passage_settings
from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import load_registry
from medsearch.evaluation.evaluate import Evaluation, result_record, write_result
from medsearch.evaluation.measures import MEASURES, per_query_scores
from medsearch.evaluation.trec import read_qrels, read_run, write_qrels, write_run
from medsearch.search.benchmark import BenchmarkRequest, run_benchmark
from medsearch.search.names import models_of
from medsearch.settings import Settings
from medsearch.types import PassageSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("corpus", metavar="CORPUS", help="a test collection by name, or its folder")
    parser.add_argument("--models", default="minilm,bm25", help="retrievers, comma-separated")
    parser.add_argument("--split", default="test", help="whose judgements (default: test)")
    parser.add_argument("--passages", action="store_true", help="search passages, as the page does")
    parser.add_argument("--approximate", action="store_true", help="search the graph, as the page does")
    add_passage_arguments(parser, PassageSettings())
    parser.add_argument("--run", type=Path, metavar="FILE", help="score this TREC run instead of models")
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="with --run: judge by these TREC qrels")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep results, runs and qrels there")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print, and keep what was asked for."""
    record, evaluations = _score_run(arguments) if arguments.run else _score_models(arguments)
    if arguments.out:
        _keep(record, evaluations, arguments.out)
    if arguments.json:
        show_json(
            {key: record[key] for key in ("corpus", "split", "documents", "queries", "models", "settings")}
        )
        return 0
    rows = [
        [name, *(f"{100 * scores[measure]:.1f}" for measure in MEASURES)]
        for name, scores in record["models"].items()
    ]
    print(f"{record['corpus']} ({record['split']}), {record['queries']:,} queries, scores times 100\n")
    show_table(rows, ["retriever", *MEASURES])
    return 0


def _score_models(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[Evaluation]]:
    settings = Settings.from_environment()
    registry = load_registry(settings.models)
    names, _ = models_of(arguments.models, registry)
    request = BenchmarkRequest(
        location=find_corpus(arguments.corpus, settings.data),
        split=arguments.split,
        retrievers=tuple(names),
        passages=passage_settings(arguments) if arguments.passages else None,
        approximate=arguments.approximate,
    )
    return run_benchmark(request, settings, registry, TerminalProgress())


def _score_run(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[Evaluation]]:
    settings = Settings.from_environment()
    collection = load_collection(find_corpus(arguments.corpus, settings.data), arguments.split, Rejects())
    qrels = read_qrels(arguments.qrels) if arguments.qrels else collection.qrels
    ranking = read_run(arguments.run)
    evaluation = Evaluation(arguments.run.stem, ranking, per_query_scores(qrels, ranking), 0.0)
    kept = {"run": str(arguments.run), "qrels": str(arguments.qrels or "of the corpus")}
    return result_record(collection, [evaluation], kept), [evaluation]


def _keep(record: dict[str, Any], evaluations: list[Evaluation], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{record['corpus'].replace('/', '--')}.{record['split']}"
    write_result(record, folder / f"{stem}.json")
    for evaluation in evaluations:
        tag = evaluation.retriever.replace(":", "-")
        write_run(evaluation.run, folder / f"{stem}.{tag}.run", tag=tag)
    settings = Settings.from_environment()
    collection = load_collection(find_corpus(record["corpus"], settings.data), record["split"], Rejects())
    write_qrels(collection.qrels, folder / f"{stem}.qrels")
