"""`medsearch calibrate`: when to say that nothing answers a question, and how often that is wrong."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, clean, show_json, show_table
from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.abstention import (
    LEAST_SEPARATION,
    Calibration,
    Rate,
    calibration_record,
    fewest_questions,
    true_rate_range,
    write_calibration,
)
from medsearch.search.names import models_of
from medsearch.search.searcher import open_searcher
from medsearch.settings import Settings
from medsearch.workbench.calibrate import CalibrationRequest, calibrate, default_split
from medsearch.workbench.outside_queries import find_others

RULE = (
    "A question is refused where its best score is below the threshold. The threshold is set so that about "
    "the stated share of questions like those it was calibrated on would wrongly be refused (split "
    "conformal): this holds on average over calibrations and over all such questions together, not for each "
    "threshold nor for each kind of question. Questions of other corpora may happen to be answered here: "
    "what is refused of them is a lower bound. In brackets: Wilson's 95 % interval, which takes questions as "
    "independent. ROC area: how often an answered question scores above one from outside; 50 is chance."
)
_MODELS = "minilm,bm25,hybrid:minilm"
_WIDTH = 100
_USELESS = " (no better than chance)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `calibrate`."""
    parser.epilog = RULE
    parser.add_argument("corpus", metavar="CORPUS", help="a test collection by name, or its folder")
    parser.add_argument(
        "--models", help=f"retrievers, comma-separated (default: {_MODELS}; with --index: its own)"
    )
    parser.add_argument("--split", help="whose queries calibrate (default: dev, else the only one)")
    parser.add_argument(
        "--error", type=float, default=0.05, metavar="SHARE",
        help="about this share of answered questions may wrongly be refused (default: 0.05)",
    )  # fmt: skip
    parser.add_argument("--others", default="", help="corpora that questions from outside are taken from")
    parser.add_argument(
        "--report", action="store_true",
        help="calibrate on all of the split and measure on the test split, which counts as a look at it",
    )  # fmt: skip
    parser.add_argument(
        "--index", action="store_true",
        help="calibrate the index that `search` uses, and keep there what tells anything",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the calibrations in DIR/abstention")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, measure, print, and keep what was asked for."""
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: it is a file; name a folder")
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    location = find_corpus(arguments.corpus, settings.data)
    models = arguments.models or _MODELS
    if arguments.index and not arguments.models:
        models = ",".join(open_searcher(location.name, settings, registry).retriever_names())
    request = CalibrationRequest(
        location=location,
        retrievers=tuple(models_of(models, registry)[0]),
        others=find_others(_names(arguments.others), location, settings),
        split=arguments.split or default_split(location),
        error=arguments.error,
        report=arguments.report,
        index=arguments.index,
    )
    found = calibrate(request, settings, registry, TerminalProgress())
    if arguments.out is not None:
        for each in found:
            write_calibration(each, arguments.out)
    if arguments.json:
        show_json(_record(found))
    else:
        _print(found)
    return 0


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _record(found: Sequence[Calibration]) -> dict[str, Any]:
    return {
        "rule": RULE,
        "corpus": found[0].corpus,
        "error": found[0].error,
        "models": {each.retriever: calibration_record(each) for each in found},
    }


def _print(found: Sequence[Calibration]) -> None:
    first = found[0]
    print(
        f"{clean(first.corpus)}: calibrated on {_questions(first.calibrated)} ({clean(first.calibrated_on)}) "
        f"for about {100 * first.error:g} % false refusals, measured on {first.false.asked:,} "
        f"({clean(first.measured_on)}) and on {first.all_outside.asked:,} of other corpora\n"
    )
    rows = [
        [
            each.retriever,
            each.statistic if each.model == each.retriever else f"{each.statistic} ({each.model})",
            "none" if each.threshold is None else f"{each.threshold:.3f}",
            _shown(each.false),
            _shown(each.all_outside),
            f"{100 * each.separation:.1f}{'' if each.separates else _USELESS}",
        ]
        for each in found
    ]
    show_table(
        rows,
        [
            "retriever",
            "judged by",
            "threshold",
            "refused, answered here",
            "refused, from outside",
            "ROC area",
        ],
    )
    print()
    show_table(
        [[corpus, *(_shown(each.outside[corpus]) for each in found)] for corpus in first.outside],
        ["refused of the questions of", *(each.retriever for each in found)],
    )
    useless = [clean(each.retriever) for each in found if not each.separates]
    if useless:
        print(f"\n{textwrap.fill(_said_of_useless(useless, clean(first.corpus)), _WIDTH)}")
    print(f"\n{textwrap.fill(f'{_said_of_error(first)} {RULE}', _WIDTH)}")


def _said_of_useless(retrievers: Sequence[str], corpus: str) -> str:
    return (
        f"Warning: {', '.join(retrievers)}: the score does not tell questions that {corpus} answers from "
        f"others (ROC area {100 * LEAST_SEPARATION:g} or less), so no threshold is kept for searching."
    )


def _said_of_error(found: Calibration) -> str:
    """What the number of calibration questions allows to be said."""
    if found.threshold is None:
        return (
            f"No threshold can be stated: {100 * found.error:g} % needs at least "
            f"{_questions(fewest_questions(found.error))}, of which there are {found.calibrated:,}, so "
            "nothing is refused."
        )
    low, high = true_rate_range(found.calibrated, found.error)
    return (
        f"With {_questions(found.calibrated)} the true rate of false refusals is between {100 * low:.1f} % "
        f"and {100 * high:.1f} % in 95 of 100 calibrations."
    )


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count:,} questions"


def _shown(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * rate.share:.1f} % [{100 * low:.1f}\N{EN DASH}{100 * high:.1f}]"
