"""`medsearch stress`: the clinical stress card, pass rates on minimal pairs with their intervals."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, clean, show_json, show_table
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.stress import Outcome, StressCard, compare_cards, shown
from medsearch.evaluation.stress_cards import card_record, write_card
from medsearch.evaluation.stress_pairs import StressPair, StressSet, find_stress_folder, read_stress_set
from medsearch.search.names import models_of
from medsearch.settings import Settings
from medsearch.workbench.stress import run_stress

RULE = (
    "A pair is a query with a right passage and one that is wrong in a single critical thing. It is passed "
    "where the right passage scores strictly higher when all passages of all pairs are ranked; a tie is not "
    "a pass, nor is a pair of which a hybrid, which fuses the first 100 of each ranking, finds neither. "
    "Chance is 50 %. In brackets: Wilson's 95 % interval."
)
_MODELS = "bm25,minilm,hybrid:minilm"
_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stress`."""
    parser.epilog = RULE
    parser.add_argument("--models", default=_MODELS, help=f"retrievers, comma-separated (default: {_MODELS})")
    parser.add_argument("--categories", metavar="NAMES", help="only these, comma-separated (default: all)")
    parser.add_argument(
        "--failures", action="store_true", help="show every pair that was not passed, in full"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the cards in DIR/stress")


def run(arguments: argparse.Namespace) -> int:
    """Run the pairs, print the card, and keep it where asked for."""
    categories = _names(arguments.categories)
    _check(arguments, categories)
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    retrievers, _ = models_of(arguments.models, registry)
    stress = read_stress_set(find_stress_folder(settings.data))
    cards = run_stress(stress, retrievers, settings, registry, TerminalProgress(), categories or ())
    if arguments.out is not None:
        for card in cards:
            write_card(card, arguments.out)
    if arguments.json:
        show_json(_record(stress, cards, arguments.failures))
        return 0
    _print(cards)
    if arguments.failures:
        for card in cards:
            _print_failures(stress, card)
    return 0


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _check(arguments: argparse.Namespace, categories: tuple[str, ...] | None) -> None:
    """Refuse what would mislead or do nothing.

    Raises:
        UsageError: naming the option.
    """
    if categories == ():
        raise UsageError("--categories names none: leave it out for all of them")
    if categories is not None and arguments.out is not None:
        raise UsageError("--out keeps whole cards, that stand beside a model's name: leave out --categories")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: it is a file; name a folder")


def _record(stress: StressSet, cards: Sequence[StressCard], failures: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "rule": RULE,
        "data_hash": stress.data_hash,
        "models": {card.retriever: card_record(card) for card in cards},
        "comparisons": [asdict(compare_cards(cards[0], other)) for other in cards[1:]],
    }
    if failures:
        record["failures"] = {
            card.retriever: [
                {**asdict(pair), "outcome": outcome} for pair, outcome in _not_passed(stress, card)
            ]
            for card in cards
        }
    return record


def _print(cards: Sequence[StressCard]) -> None:
    rows = [
        [name, f"{rate.pairs:,}", *(shown(card.categories[name]) for card in cards)]
        for name, rate in cards[0].categories.items()
    ]
    rows.append(["all", f"{cards[0].all.pairs:,}", *(shown(card.all) for card in cards)])
    rows.append(["tied, not passed", "", *(f"{card.all.tied:,}" for card in cards)])
    show_table(rows, ["category", "pairs", *(card.retriever for card in cards)])
    for other in cards[1:]:
        found = compare_cards(cards[0], other)
        print(
            f"\n{clean(found.second)} passes {_pairs(found.only_second)} that {clean(found.first)} does not, "
            f"and the other way round {found.only_first} (McNemar, exact: p = {found.p:.2g})",
            end="",
        )
    print(f"\n\n{textwrap.fill(RULE, _WIDTH)}")


def _print_failures(stress: StressSet, card: StressCard) -> None:
    failures = _not_passed(stress, card)
    print(f"\n{clean(card.retriever)}: {_pairs(len(failures))} not passed")
    for pair, outcome in failures:
        print(f"\n{clean(pair.pair_id)} · {clean(pair.category)} · {outcome} · {clean(pair.difference)}")
        for label, text in (("query", pair.query), ("right", pair.right), ("wrong", pair.wrong)):
            print(
                textwrap.fill(
                    f"{label}: {clean(text)}", _WIDTH, initial_indent="  ", subsequent_indent=" " * 9
                )
            )


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"


def _not_passed(stress: StressSet, card: StressCard) -> list[tuple[StressPair, Outcome]]:
    outcomes = [(pair, card.outcomes.get(pair.category, {}).get(pair.pair_id)) for pair in stress.pairs]
    return [(pair, outcome) for pair, outcome in outcomes if outcome in (Outcome.FAILED, Outcome.TIED)]
