"""`python -m pipeline ablate`: what each part of the pipeline is worth, as a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress, show_json, show_table
from medsearch.errors import UsageError
from pipeline.ablate import AblateRequest, ablate
from pipeline.ablation.page import refuse_target, write_page
from pipeline.ablation.table import slug
from pipeline.settings import PipelineSettings

DOCS = Path("docs")
"""In the repository."""

_SHIPPED = "minilm"
"""The ablation whose table the repository has."""


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
        help="the .md file for the table, with a .json of the same name beside it (default: "
        f"{results_of(_SHIPPED)} for {_SHIPPED}, {DOCS / 'ablation-NAME.md'} for another)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Train, compare, write the table and show it."""
    target = _target(arguments)
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


def results_of(ablation: str) -> Path:
    """Where an ablation's table goes: the repository's own is that of the ablation that it comes with."""
    if ablation == _SHIPPED:
        return DOCS / "ablation.md"
    return DOCS / f"ablation-{slug(Path(ablation).stem)}.md"


def _target(arguments: argparse.Namespace) -> Path | None:
    """The file for the table, or `None` for none.

    Raises:
        UsageError: there is no place for it, or it is not ours to write.
    """
    target: Path | None = arguments.results
    if target is None and not arguments.only:
        if not DOCS.is_dir():
            raise UsageError(
                f"there is no folder {DOCS} here to write the table to: give --results FILE, or start it in "
                "the repository's folder"
            )
        target = results_of(arguments.ablation)
    if target is not None:
        refuse_target(target)
    return target
