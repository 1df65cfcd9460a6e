"""`python -m pipeline report`: write the dataset of one or more runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, show_json
from pipeline.cli.stage import existing_run
from pipeline.report.write import write_report
from pipeline.run_folder import RunFolder
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument(
        "--run", required=True, action="append", metavar="NAME",
        help="a run that goes into the dataset; give it again for each further one",
    )  # fmt: skip
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="where to (default: `dataset` in the folder of the only run)"
    )
    parser.add_argument(
        "--seed", type=int, default=13, metavar="N", help="chooses the rows of the sample page"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the card, the parquet files and the page, and say where they are."""
    settings = PipelineSettings.from_environment()
    runs = [existing_run(name, settings) for name in arguments.run]
    into = arguments.into
    if into is None:
        into = runs[0].report if len(runs) == 1 else settings.runs.parent / "processed" / _joined(runs)
    said = "" if arguments.into is None else str(arguments.into)
    summary = write_report(runs, into, TerminalProgress(), seed=arguments.seed, into=said)
    if arguments.json:
        rows = {split.value: count for split, count in summary.rows.items()}
        show_json({"folder": str(into), "rows": rows, "warnings": list(summary.warnings)})
        return 0
    counts = ", ".join(f"{count:,} {split.value}" for split, count in summary.rows.items())
    print(f"{counts} triplets; card, parquet files and a page of {summary.sampled} to read by eye: {into}")
    for warning in summary.warnings:
        print(f"warning: {warning}")
    return 0


def _joined(runs: list[RunFolder]) -> str:
    return "+".join(run.name for run in runs)
