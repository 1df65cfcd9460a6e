"""`medsearch evaluate`: nDCG@10 and its companions on a suite or a test collection, as a table or JSON."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from medsearch.cli.index import add_passage_arguments, passage_settings
from medsearch.cli.leaderboard import show_findings
from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.keep import keep, ready_folder
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import PRIMARY, TaskResult
from medsearch.search.names import models_of
from medsearch.search.run_file import RunFileRequest, score_run_file
from medsearch.settings import Settings
from medsearch.types import PassageSettings
from medsearch.workbench.board.findings import Findings, FindingsRequest, findings_of
from medsearch.workbench.board.prices import COSTS, costs_of
from medsearch.workbench.board.record import leaderboard_record
from medsearch.workbench.comparison.versus import Terms
from medsearch.workbench.looks import note_run_look
from medsearch.workbench.report.numbers import cost
from medsearch.workbench.suite_run import SuiteRequest, open_suite
from medsearch.workbench.suite_stress import keep_stress_cards
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask, load_suite, names_a_suite, suite_names

SHOWN = (
    "corpus", "split", "documents", "queries", "queries_judged", "models", "cost", "marks", "settings",
    "warnings",
)  # fmt: skip
"""What `--json` prints of a result record; `--out` keeps all of it."""

_MODELS = "minilm,bm25"
_OF_A_CORPUS = ("split", "run", "qrels")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument(
        "corpus", metavar="SUITE|CORPUS",
        help="a suite by name or file (.toml), or a test collection by name or folder",
    )  # fmt: skip
    parser.add_argument(
        "--models",
        help=f"retrievers, comma-separated: MODEL, hybrid:MODEL, rerank:LATE:FIRST (default: {_MODELS})",
    )
    parser.add_argument("--split", help="of a corpus: whose judgements (default: test)")
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
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="keep results, runs and qrels there (default for a suite: results/SUITE)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="evaluate also what DIR has already")
    parser.add_argument("--no-cost", action="store_true", help="do not measure speed and memory")
    parser.add_argument(
        "--force", action="store_true",
        help="evaluate also on a test split that took part in choosing a model; every table will say so",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print, and keep what was asked for."""
    _check(arguments)
    if arguments.run is not None:
        return _score_run(arguments)
    suite = load_suite(arguments.corpus) if names_a_suite(arguments.corpus) else None
    if suite is None:
        return _evaluate_corpus(arguments)
    out = arguments.out or Path("results") / suite.name
    started = perf_counter()
    results = _run_suite(arguments, suite, out, stress=True)
    seconds = round(perf_counter() - started, 1)
    findings = _findings(out, results)
    if arguments.json:
        board = None if findings is None else leaderboard_record(findings)
        rows = [_record(result) for result in results]
        show_json({"suite": suite.name, "out": str(out), "seconds": seconds, "results": rows, "board": board})
        return 0
    if findings is None:
        _show_means(suite, results)
    else:
        show_findings(findings)
    print(f"\ntook {seconds:,.0f} s; kept in {out}")
    print(f"compare two with `medsearch compare {out} --a MODEL --b MODEL`")
    return 0


def _findings(out: Path, results: list[TaskResult]) -> Findings | None:
    """What `out` has on these retrievers, judged; `None` without results, or without scipy to judge by."""
    if not results or find_spec("scipy") is None:
        return None
    names = tuple(dict.fromkeys(result.retriever for result in results))
    settings = Settings.from_environment()
    registry = tuple(load_registry(settings.models, cache=settings.cache).values())
    return findings_of(out, FindingsRequest(Terms(registry=registry), retrievers=names, looks=settings.looks))


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
    if names_a_suite(arguments.corpus):
        for option in _OF_A_CORPUS:
            if getattr(arguments, option) is not None:
                raise UsageError(f"--{option} goes with a corpus; {arguments.corpus} is a suite")


def _run_suite(
    arguments: argparse.Namespace, suite: Suite, out: Path | None, *, stress: bool = False
) -> list[TaskResult]:
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    names, _ = models_of(_MODELS if arguments.models is None else arguments.models, registry)
    request = SuiteRequest(
        suite=suite,
        retrievers=tuple(names),
        out=out,
        force=arguments.force,
        again=arguments.again,
        cost=out is not None and not arguments.no_cost,
        passages=passage_settings(arguments) if arguments.passages else None,
        approximate=arguments.approximate,
        ignore_identical_ids=arguments.ignore_identical_ids,
    )
    progress = TerminalProgress()
    results = open_suite(request, settings, registry).results(progress)
    if stress and out is not None:
        keep_stress_cards(names, out, settings, registry, progress)
    return results


def _evaluate_corpus(arguments: argparse.Namespace) -> int:
    """One corpus is a suite of one task, to report on."""
    settings = Settings.from_environment()
    try:
        location = find_corpus(arguments.corpus, settings.data)
    except UsageError as error:
        raise UsageError(f"{error}; suites: {', '.join(suite_names())}") from None
    task = SuiteTask(arguments.corpus, arguments.split or "test")
    suite = Suite(f"{location.name}:{task.split}", SuiteRole.REPORT, "", (task,))
    results = _run_suite(arguments, suite, arguments.out)
    record = _together(results)
    if arguments.json:
        show_json({key: record[key] for key in SHOWN if key in record})
        return 0
    _show(record)
    for result in results:
        if result.marks:
            print(f"\n{result.retriever}: {'; '.join(result.marks)}")
    costs = [[r.retriever, *(cost(costs_of(r.cost), key) for key in COSTS)] for r in results if r.cost]
    if costs:
        print()
        show_table(costs, ["retriever", *(f"{field.title} {field.unit}" for field in COSTS.values())])
    return 0


def _score_run(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    request = RunFileRequest(
        location=find_corpus(arguments.corpus, settings.data),
        split=arguments.split or "test",
        run=arguments.run,
        qrels=arguments.qrels,
        ignore_identical_ids=arguments.ignore_identical_ids,
    )
    if arguments.out is not None:
        ready_folder(arguments.out)
    record, evaluation = score_run_file(request, settings, TerminalProgress())
    note_run_look(record, evaluation, settings)
    if arguments.out is not None:
        keep(record, [evaluation], arguments.out)
    if arguments.json:
        show_json({key: record[key] for key in SHOWN if key in record})
    else:
        _show(record)
    return 0


def _record(result: TaskResult) -> dict[str, Any]:
    return {
        "task": result.task,
        "retriever": result.retriever,
        "documents": result.documents,
        "queries": len(result.scores),
        "queries_judged": result.queries_judged,
        "scores": result.means,
        "cost": dict(result.cost),
        "marks": list(result.marks),
        "settings": dict(result.settings),
        "warnings": list(result.warnings),
        "file": str(result.file),
    }


def _together(results: list[TaskResult]) -> dict[str, Any]:
    """The results of one task as one record, as `--json` shows it."""
    first = results[0]
    models = {name: spec for result in results for name, spec in result.settings["models"].items()}
    return {
        "corpus": first.corpus,
        "split": first.split,
        "documents": first.documents,
        "queries": len(first.scores),
        "queries_judged": first.queries_judged,
        "models": {result.retriever: result.means for result in results},
        "cost": {result.retriever: dict(result.cost) for result in results if result.cost},
        "marks": {result.retriever: list(result.marks) for result in results if result.marks},
        "settings": {**first.settings, "models": models},
        "warnings": list(first.warnings),
    }


def _show(record: dict[str, Any]) -> None:
    rows = [
        [name, *(f"{100 * scores[measure]:.1f}" for measure in MEASURES)]
        for name, scores in record["models"].items()
    ]
    print(f"{record['corpus']} ({record['split']}), {record['queries']:,} queries, scores times 100\n")
    show_table(rows, ["retriever", *MEASURES])


def _show_means(suite: Suite, results: list[TaskResult]) -> None:
    """A row a task, a column a retriever: all that can be said without scipy."""
    names = list(dict.fromkeys(result.retriever for result in results))
    score = {(result.task, result.retriever): result.means[PRIMARY] for result in results}
    queries = {result.task: len(result.scores) for result in results}
    rows = [
        [task, f"{queries[task]:,}", *(f"{100 * score[task, name]:.1f}" for name in names)]
        for task in queries
    ]
    print(f"{suite.name}: {PRIMARY} times 100\n")
    show_table(rows, ["task", "queries", *names])
    for mark in dict.fromkeys(f"{r.task}, {r.retriever}: {mark}" for r in results for mark in r.marks):
        print(mark)
    if results:
        print("\nintervals and verdicts need scipy: run `pip install 'medsearch[evaluate]'`")
