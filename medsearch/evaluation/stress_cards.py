"""Stress cards as JSON: `DIR/stress/RETRIEVER.json`, with every pair's outcome and all they depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError, first_fault
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.stress import CHANCE, Outcome, PassRate, StressCard

FOLDER = "stress"
"""The folder of a results folder that cards are kept in."""


def card_record(card: StressCard) -> dict[str, Any]:
    """A card ready for JSON. Rates and intervals are 0 to 1; they are made from `outcomes` when read."""
    return {
        "retriever": card.retriever,
        "all": _rate_record(card.all),
        "categories": {name: _rate_record(rate) for name, rate in card.categories.items()},
        "chance": CHANCE,
        "failed": _ids(card, Outcome.FAILED),
        "tied": _ids(card, Outcome.TIED),
        "outcomes": {name: dict(pairs) for name, pairs in card.outcomes.items()},
        "settings": dict(card.settings),
        "git_revision": card.git_revision,
        "created": card.created,
    }


def write_card(card: StressCard, folder: Path) -> Path:
    """Keep a card in a results folder; an older one of the same retriever is replaced. Returns its file."""
    file = card_file(folder, card.retriever)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(card_record(card), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def card_file(folder: Path, retriever: str) -> Path:
    """Where the card of a retriever is kept: "hybrid:minilm" in `FOLDER/stress/hybrid-minilm.json`."""
    return folder / FOLDER / f"{file_name(retriever)}.json"


def read_cards(folder: Path) -> dict[str, StressCard]:
    """Retriever -> card of a results folder, by name; empty where `medsearch stress` was not run.

    Raises:
        MedsearchError: naming a file that is not a card.
    """
    cards = [_read(file) for file in sorted((folder / FOLDER).glob("*.json"))]
    return {card.retriever: card for card in cards}


def _read(file: Path) -> StressCard:
    from pydantic import TypeAdapter, ValidationError

    try:
        card = TypeAdapter(StressCard).validate_json(file.read_bytes())
    except ValidationError as error:
        raise MedsearchError(
            f"{file}: not a stress card ({first_fault(error)}); make it again with `medsearch stress`"
        ) from None
    if not card.outcomes or not all(card.outcomes.values()):
        raise MedsearchError(f"{file}: the stress card lacks outcomes; make it again with `medsearch stress`")
    return card


def _rate_record(rate: PassRate) -> dict[str, Any]:
    return {
        "pairs": rate.pairs,
        "passed": rate.passed,
        "failed": rate.pairs - rate.passed - rate.tied,
        "tied": rate.tied,
        "rate": rate.rate,
        "interval": [rate.low, rate.high],
    }


def _ids(card: StressCard, wanted: Outcome) -> Mapping[str, list[str]]:
    return {
        name: [pair_id for pair_id, outcome in pairs.items() if outcome is wanted]
        for name, pairs in card.outcomes.items()
    }
