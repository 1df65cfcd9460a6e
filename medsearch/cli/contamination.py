"""`medsearch contamination`: what a training set has of the benchmarks that its models are judged by."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, clean, show_json, show_table
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.workbench.ledger.clean_training import check_clean_target, write_clean
from medsearch.workbench.ledger.contamination import ContaminationRequest, check_contamination
from medsearch.workbench.ledger.record import contamination_record, keep_record
from medsearch.workbench.suites import load_suite

_SHOWN_PAIRS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `contamination`."""
    parser.add_argument(
        "--train", type=Path, action="append", required=True, metavar="FILE",
        help="training rows: .jsonl, .jsonl.gz, .parquet, or a folder of these; may be given again",
    )  # fmt: skip
    parser.add_argument("--suite", required=True, metavar="SUITE", help="a suite by name, or its TOML file")
    parser.add_argument(
        "--fields",
        metavar="NAMES",
        help="fields with text, comma-separated (default: the usual ones)",
    )
    parser.add_argument("--show-text", action="store_true", help="show how the texts of each pair begin")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="with --out: a model trained on this; its scores are then shown without leaked queries too",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the report in this results folder")
    parser.add_argument("--write-clean", type=Path, metavar="FILE", help="write the rows without leaks there")


def run(arguments: argparse.Namespace) -> int:
    """Check, print, keep what was asked for; 1 where there are leaks."""
    _check(arguments)
    request = ContaminationRequest(
        train=tuple(arguments.train),
        suite=load_suite(arguments.suite),
        fields=_names(arguments.fields),
        show_text=arguments.show_text,
    )
    progress = TerminalProgress()
    ledger = check_contamination(request, Settings.from_environment(), progress)
    record = contamination_record(ledger, arguments.model)
    if arguments.out is not None:
        name = arguments.model[0] if arguments.model else f"{arguments.train[0].stem}-{request.suite.name}"
        progress.say(f"kept in {keep_record(record, arguments.out, name)}")
    if arguments.write_clean is not None:
        made = write_clean(ledger.train[0], request.fields, arguments.write_clean)
        progress.say(
            f"{made.file}: {made.kept:,} rows kept, {made.leaking:,} with a leak and {made.unreadable:,} "
            "that cannot be read left out"
        )
    if arguments.json:
        show_json(record)
    else:
        _show(record)
    return 1 if ledger.leaks else 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.model and arguments.out is None:
        raise UsageError("--model goes with --out DIR, where the report on it is kept")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: it is a file; name a folder")
    if arguments.write_clean is not None:
        check_clean_target(tuple(arguments.train), arguments.write_clean)


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UsageError("--fields names none: leave it out for the usual ones")
    return names


def _show(record: Mapping[str, Any]) -> None:
    texts, rows = (sum(file[key] for file in record["train"]) for key in ("texts", "rows"))
    print(f"{texts:,} training texts in {rows:,} rows against {clean(record['suite'])}\n")
    show_table([_row(name, found) for name, found in record["by_benchmark"].items()], _HEADERS)
    print("\nNumbers: exact / containment / near. Other documents are no leak: they answer no query.")
    for name, reason in record["unchecked"].items():
        print(f"not checked: {clean(name)}: {clean(reason)}")
    for remark in record["remarks"]:
        print(f"remark: {clean(remark)}")
    if record["set_aside"]["rows"]:
        aside = record["set_aside"]
        print(f"remark: {aside['rows']:,} training rows set aside, unchecked: {clean(aside['examples'][0])}")
    if not record["leaks"]:
        print("No leaks.")
        return
    print(f"\n{record['leaks']:,} leaks: pairs of a training text and a query or relevant document")
    _show_pairs(record)


_HEADERS = ["benchmark", "queries", "relevant", "other documents", "leaked queries", "of", "leaks"]


def _row(name: str, found: Mapping[str, Any]) -> list[str]:
    kinds = [" / ".join(f"{count:,}" for count in found["kinds"][part].values()) for part in found["kinds"]]
    leaked = f"{len(found['leaked_queries']):,} ({100 * found['leaked_share']:.1f} %)"
    return [name, *kinds, leaked, f"{found['queries_checked']:,}", f"{found['leaks']:,}"]


def _show_pairs(record: Mapping[str, Any]) -> None:
    shown = record["pairs"][:_SHOWN_PAIRS]
    show_table(
        [
            [p["train"], p["field"], p["benchmark"], p["part"], p["id"], p["kind"], f"{p['similarity']:.2f}"]
            for p in shown
        ],
        ["training text", "field", "benchmark", "part", "id", "kind", "similarity"],
    )
    for pair in shown if "train_text" in shown[0] else ():
        print(f"\n{clean(pair['train'])}  {clean(pair['train_text'])}")
        print(f"{clean(pair['benchmark'])} {clean(pair['id'])}  {clean(pair['benchmark_text'])}")
    if record["leaks"] > len(shown):
        print(f"… and {record['leaks'] - len(shown):,} more: --json or --out lists them")
