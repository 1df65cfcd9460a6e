"""`python -m pipeline convert`: turn a corpus with human judgements into pairs."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import TerminalProgress
from medsearch.corpora.catalogue import find_corpus
from pipeline.cli.stage import add_run_arguments, show_yield
from pipeline.convert import ConvertRequest, convert_corpus
from pipeline.run_folder import open_run
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `convert`."""
    parser.add_argument("corpus", metavar="CORPUS", help="a judged corpus by name, or its folder")
    parser.add_argument("--split", required=True, metavar="SPLIT", help="train or dev; test is refused")
    parser.add_argument(
        "--min-grade", type=int, metavar="N",
        help="lowest grade that is relevant (default: 2 where grades reach 3, else 1)",
    )  # fmt: skip
    parser.add_argument("--licence", default="", metavar="NAME", help="of documents that state none")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad record")
    add_run_arguments(parser, default="CORPUS-SPLIT")


def run(arguments: argparse.Namespace) -> int:
    """Convert, and say what came of it."""
    settings = PipelineSettings.from_environment()
    location = find_corpus(arguments.corpus, settings.search.data)
    folder = open_run(arguments.run or f"{location.name}-{arguments.split.strip().lower()}", settings.runs)
    request = ConvertRequest(
        location, arguments.split, arguments.min_grade, arguments.licence, strict=arguments.strict
    )
    with folder.held():
        total = convert_corpus(request, folder, TerminalProgress(), restart=arguments.restart)
    show_yield("convert", folder, total, ("judgements", "pairs"), as_json=arguments.json)
    return 0
