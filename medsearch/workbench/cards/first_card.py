"""The card of a model that was just trained: what is known before any test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from medsearch.evaluation.provenance import Provenance
from medsearch.evaluation.training_facts import TrainingFacts
from medsearch.types import ModelSpec
from medsearch.workbench.cards.header import card_header, named_source
from medsearch.workbench.cards.model_card import training_rows
from medsearch.workbench.cards.training_tables import (
    data_table,
    guard_limits,
    leaks_line,
    settings_table,
    training_context,
)
from medsearch.workbench.report.rendering import render


@dataclass(frozen=True, slots=True)
class FirstCard:
    """What the card is made from; `registry` has the base."""

    spec: ModelSpec
    provenance: Provenance
    facts: TrainingFacts
    registry: Mapping[str, ModelSpec]


def first_card(card: FirstCard) -> str:
    """The card as Markdown with the hub's header, without test scores: `model_card` puts them in later.

    Raises:
        MedsearchError: jinja2 is not installed.
    """
    base = card.provenance.base
    context = {
        "header": card_header(card.spec, base, [], card.registry),
        "spec": card.spec,
        "source": named_source(card.spec.source),
        "base": base,
        "provenance": card.provenance,
        "training": training_rows(card.provenance),
        "trained": True,
        "facts": card.facts,
        "data": data_table(card.facts),
        "leaks": leaks_line(card.facts),
        "settings": settings_table(card.facts),
        "limits": guard_limits(card.facts, base),
        "version": version("medsearch"),
        **training_context(card.facts),
    }
    return render("first_card.md.j2", context)
