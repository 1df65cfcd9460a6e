"""`python -m pipeline ablate`: what each part of the pipeline is worth, as a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from pipeline.ablate import AblateRequest, ablate
from pipeline.ablation.page import refuse_target, write_page
from pipeline.settings import PipelineSettings

RESULTS = Path("docs") / "ablation.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ablate`."""
    parser.add_argument(
        "ablation", metavar="ABLATION", help="an ablation that comes with medsearch, or a .toml file"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME",
        help="train and show these variants alone; a file is written only where --results names one",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="train them anew")
    parser.add_argument(
        "--results", type=Path, metavar="FILE",
        help=f"the .md file for the table, with a .json of the same name beside it (default: {RESULTS})",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Train, compare, write the table and show it."""
    target = arguments.results or (None if arguments.only else RESULTS)
    if target is not None:
        refuse_target(target)
    request = AblateRequest(arguments.ablation, tuple(arguments.only), restart=arguments.restart)
    page = ablate(request, PipelineSettings.from_environment(), TerminalProgress())
    if target is not None:
        write_page(page, target)
    if arguments.json:
        show_json(page.record())
        return 0
    show_table(page.cells(), page.headers())
    if target is not None:
        print(f"table: {target}")
    return 0
