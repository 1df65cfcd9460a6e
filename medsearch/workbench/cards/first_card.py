"""The card of a model that was just trained: what is known before any test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from medsearch.evaluation.provenance import Provenance
from medsearch.evaluation.training_facts import TrainingFacts
from medsearch.search.names import RERANK
from medsearch.types import ModelKind, ModelSpec
from medsearch.workbench.cards.header import card_header, named_source
from medsearch.workbench.cards.model_card import training_rows
from medsearch.workbench.cards.training_tables import guard_limits, training_context
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
        "retriever": _retriever(card.spec, base),
        "source": named_source(card.spec.source),
        "is_adapter": False,  # it lies in the whole model's folder
        "base": base,
        "provenance": card.provenance,
        "training": training_rows(card.provenance),
        "trained": True,
        "facts": card.facts,
        "limits": guard_limits(card.facts, base),
        "version": version("medsearch"),
        **training_context(card.facts, card.spec),
    }
    return render("first_card.md.j2", context)


def _retriever(spec: ModelSpec, base: str) -> str:
    """What it is searched with: one of late interaction reranks what its base finds."""
    return f"{RERANK}{spec.name}:{base}" if spec.kind is ModelKind.LATE_INTERACTION else spec.name
