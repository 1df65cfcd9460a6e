"""Puts the stress cards that `medsearch stress --out DIR` kept into README, and keeps them as a result.

python -m benchmarks.stress_table DIR [README]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks.readme import README, Marks
from benchmarks.record import RESULTS
from medsearch.errors import UsageError
from medsearch.evaluation.stress import StressCard, shown
from medsearch.evaluation.stress_cards import card_record, read_cards

SUMMARY = RESULTS / "stress.json"
BEGIN, END = "<!-- stress: made by benchmarks/stress_table.py -->", "<!-- end of stress -->"
KEPT = ("retriever", "all", "categories", "settings", "git_revision", "created")
FIRST = ("bm25", "minilm", "hybrid:minilm")
"""Retrievers that the table begins with; others follow by name."""


def cards_in(folder: Path) -> list[StressCard]:
    """The cards of a results folder in the table's order.

    Raises:
        UsageError: if there is none, or they are of different pairs.
    """
    cards = read_cards(folder)
    if not cards:
        raise UsageError(f"{folder} has no stress cards: run `medsearch stress --out {folder}` first")
    if len({card.settings["data_hash"] for card in cards.values()}) > 1:
        raise UsageError(f"{folder}: its stress cards are of different pairs; run `medsearch stress` again")
    order = sorted(cards, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return [cards[name] for name in order]


def table(cards: Sequence[StressCard]) -> str:
    """Pass rates with their intervals, a row a category, then all, then how many were ties."""
    rows = [
        [category.replace("_", " "), str(rate.pairs), *(shown(card.categories[category]) for card in cards)]
        for category, rate in cards[0].categories.items()
    ]
    rows.append(["**all**", str(cards[0].all.pairs), *(shown(card.all) for card in cards)])
    rows.append(["ties among them, not passed", "", *(str(card.all.tied) for card in cards)])
    headers = ["what differs", "pairs", *(card.retriever for card in cards)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def put_in_readme(text: str, new: str) -> str:
    """README with the table between its two marks replaced.

    Raises:
        UsageError: if it lacks the marks.
    """
    return Marks(BEGIN, END).replaced(text, new)


def main(folder: str, readme: str = str(README)) -> None:
    """Read the cards, rewrite the table, keep the cards."""
    cards = cards_in(Path(folder))
    file = Path(readme)
    file.write_text(put_in_readme(file.read_text("utf-8"), table(cards)), encoding="utf-8")
    records = [{key: card_record(card)[key] for key in KEPT} for card in cards]
    SUMMARY.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(cards))


if __name__ == "__main__":
    main(*sys.argv[1:3])
