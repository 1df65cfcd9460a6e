"""A question outside medicine with a text that answers it, and tasks made of such pairs."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.training.panel.task import PanelTask

_MEDICAL = re.compile(
    r"\b(medic|clinic|patient|disease|illness|sick|doctor|nurse|hospital|health|drug|pharma|vaccin|virus|viral"
    r"|bacteri|infect|cancer|tumou?r|carcino|diabet|insulin|heart|cardi|blood|lung|brain|kidney|liver|bone"
    r"|surg|therap|diagnos|symptom|pain|anatom|physiolog|psych|ultrasound|x-ray|body|organ\b|cell\b|cells\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GuardPair:
    """A question and a text that answers it."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class GuardMaterial:
    """Pairs by task, and the versions of the packages that they come from."""

    pairs: Mapping[str, tuple[GuardPair, ...]]
    versions: Mapping[str, str]


def outside_medicine(pairs: Iterable[GuardPair]) -> list[GuardPair]:
    """Those in whose words nothing is of medicine; rather too few than one too many."""
    return [pair for pair in pairs if not _MEDICAL.search(f"{pair.question} {pair.answer}")]


def sample(pairs: Iterable[GuardPair], most: int, name: str) -> list[GuardPair]:
    """At most `most` of the pairs, always the same ones of the same pairs, in the order given."""
    whole = list(pairs)
    if len(whole) <= most:
        return whole
    draw = random.Random(name)  # noqa: S311 - a sample, nothing secret
    return [whole[number] for number in sorted(draw.sample(range(len(whole)), most))]


def guard_task(name: str, pairs: Iterable[GuardPair]) -> PanelTask:
    """A task of pairs: questions and answers of the same words, whatever their case, are one."""
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    asked: dict[str, str] = {}
    said: dict[str, str] = {}
    for pair in pairs:
        query_id = asked.setdefault(pair.question.casefold(), f"q{len(asked) + 1}")
        doc_id = said.setdefault(pair.answer.casefold(), f"d{len(said) + 1}")
        queries.setdefault(query_id, pair.question)
        documents.setdefault(doc_id, pair.answer)
        qrels.setdefault(query_id, {})[doc_id] = 1
    return PanelTask(name, queries, documents, qrels)
