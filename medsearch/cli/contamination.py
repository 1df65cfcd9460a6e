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
from medsearch.workbench.ledger.known_models import check_models
from medsearch.workbench.ledger.record import contamination_record, keep_record
from medsearch.workbench.suites import load_suite

_SHOWN_PAIRS = 20
_SHOWN_FIELDS = 12

NOT_FOUND = (
    "Not looked for: paraphrases, translations, look-alike letters, and texts under 4 words if edited or "
    "inside longer ones. Many edits of texts under 8 words are missed, and some of texts under 12."
)
"""What "No leaks" does not say; `benchmarks/contamination_scale.py` measures how many are missed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `contamination`."""
    parser.epilog = (
        "Exit code: 0 no leaks, 1 leaks or training rows that could not be read, 2 wrong usage. " + NOT_FOUND
    )
    parser.add_argument(
        "--train", type=Path, action="append", required=True, metavar="FILE",
        help="training rows: .jsonl, .jsonl.gz, .parquet, or a folder of these; may be given again",
    )  # fmt: skip
    parser.add_argument("--suite", required=True, metavar="SUITE", help="a suite by name, or its TOML file")
    parser.add_argument(
        "--fields",
        metavar="NAMES",
        help="only these fields, comma-separated (default: all with texts, but for ids and scores)",
    )
    parser.add_argument("--show-text", action="store_true", help="show how the texts of each pair begin")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="with --out: a model trained on this; its scores are then shown without leaked queries too",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the report in this results folder")
    parser.add_argument("--write-clean", type=Path, metavar="FILE", help="write the rows without leaks there")


def run(arguments: argparse.Namespace) -> int:
    """Check, print, keep what was asked for; 1 where there are leaks, or rows that could not be read."""
    settings = Settings.from_environment()
    _check(arguments, settings)
    request = ContaminationRequest(
        train=tuple(arguments.train),
        suite=load_suite(arguments.suite),
        fields=_names(arguments.fields),
        show_text=arguments.show_text,
    )
    progress = TerminalProgress()
    ledger = check_contamination(request, settings, progress)
    record = contamination_record(ledger, arguments.model)
    if arguments.out is not None:
        for kept in keep_record(record, arguments.out):
            progress.say(f"kept in {kept}, beside the reports of other checks")
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
    return 1 if ledger.leaks or ledger.incomplete else 0


def _check(arguments: argparse.Namespace, settings: Settings) -> None:
    if arguments.model and arguments.out is None:
        raise UsageError("--model goes with --out DIR, where the report on it is kept")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: it is a file; name a folder")
    if arguments.model:
        check_models(arguments.model, arguments.out, settings)
    if arguments.write_clean is not None:
        check_clean_target(tuple(arguments.train), arguments.write_clean)


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UsageError("--fields names none: leave it out for all")
    return names


def _show(record: Mapping[str, Any]) -> None:
    texts, rows = (sum(file[key] for file in record["train"]) for key in ("texts", "rows"))
    read = f"{_counted(texts, 'training text')} in {_counted(rows, 'row')}"
    print(f"{read} against {clean(record['suite'])}")
    print(f"fields read: {_fields(record['fields_read'])}")
    print(f"fields not read: {_fields(record['fields_not_read'])}\n")
    show_table([_row(name, found) for name, found in record["by_benchmark"].items()], _HEADERS)
    print("\nNumbers: exact / containment / near. Other documents are no leak: they answer no query.")
    for name, reason in record["unchecked"].items():
        print(f"not checked: {clean(name)}: {clean(reason)}")
    for remark in record["remarks"]:
        print(f"remark: {clean(remark)}")
    for aside in (record["set_aside"], record["without_text"]):
        if aside["rows"]:
            print(f"first of them: {clean(aside['examples'][0])}")
    if record["leaks"]:
        pairs = "leak: a pair" if record["leaks"] == 1 else "leaks: pairs"
        print(f"\n{record['leaks']:,} {pairs} of a training text and a query or relevant document")
        _show_pairs(record)
    elif record["incomplete"]:
        lost = record["set_aside"]["rows"]
        read = f"No leaks in the {_counted(rows, 'row')} that could be read"
        print(f"{read}; {_counted(lost, 'row')} could not be read.\n{NOT_FOUND}")
    else:
        print(f"No leaks.\n{NOT_FOUND}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _fields(counts: Mapping[str, int]) -> str:
    """The names of fields, most texts first."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    shown = [clean(name) for name in names[:_SHOWN_FIELDS]]
    return (
        ", ".join([*shown, f"and {len(names) - len(shown)} more"] if names[_SHOWN_FIELDS:] else shown)
        or "none"
    )


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
