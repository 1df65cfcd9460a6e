"""Keeps a stress card beside a suite's results for every retriever, so that none is compared without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medsearch.errors import UsageError
from medsearch.evaluation.stress import StressCard
from medsearch.evaluation.stress_cards import read_cards, write_card
from medsearch.evaluation.stress_pairs import StressSet, find_stress_folder, read_stress_set
from medsearch.protocols import Progress
from medsearch.search.conditions import retriever_conditions, same_conditions
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.stress import run_stress


def keep_stress_cards(
    retrievers: Sequence[RetrieverName],
    out: Path,
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    progress: Progress,
) -> None:
    """Run the stress pairs for each retriever whose card in `out` is missing, or of other pairs or models.

    Where there are no pairs (an installed package has none), `progress` hears so and all else stands.

    Raises:
        MedsearchError: the pairs or a card cannot be read.
        ModelUnavailableError: a model's weights are not on this machine.
    """
    try:
        folder = find_stress_folder(settings.data)
    except UsageError as error:
        progress.say(f"no stress cards: {error}")
        return
    stress = read_stress_set(folder)
    kept = read_cards(out)
    wanted = [name for name in retrievers if not _is_current(kept.get(name.name), name, stress, registry)]
    if not wanted:
        return
    progress.say(f"stress card of {', '.join(name.name for name in wanted)}: {len(stress.pairs)} pairs")
    for card in run_stress(stress, wanted, settings, registry, progress):
        write_card(card, out)


def _is_current(
    card: StressCard | None, name: RetrieverName, stress: StressSet, registry: Mapping[str, ModelSpec]
) -> bool:
    if card is None or card.settings.get("data_hash") != stress.data_hash:
        return False
    return same_conditions(card.settings, retriever_conditions(name, registry))
