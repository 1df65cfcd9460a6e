"""A corpus of small passages and what an index of it is made from, for tests that build, stop and damage."""

from __future__ import annotations

from fakes import BM25_SPEC, TopicEncoder, topic_spec

from medsearch.index.assemble import Source
from medsearch.index.build import CutReport, Material
from medsearch.index.manifest import Plan
from medsearch.types import Passage, PassageSettings

CHUNK = 16
"""Smaller than the real one, so that many interruptions are quick to try."""


WORDS = ("angina pectoris", "chronic cough", "insulin dose", "itchy rash")
PASSAGES = [
    Passage(
        doc_id=f"d{number // 2}",
        number=number % 2,
        title=f"About {WORDS[number % 4]}",
        text=f"Text {number} on {WORDS[number % 4]}.",
        section="Methods > Patients" if number % 2 else "",
        start=0,
        end=20,
        metadata={
            "year": 2000 + number % 20,
            "kind": "note" if number % 3 else "article",
            "tags": ("a", "b"),
        },
    )
    for number in range(3 * CHUNK + 17)
]
PLAN = Plan(
    corpus="tiny",
    corpus_hash="f" * 64,
    passages=PassageSettings(),
    models={"topics": topic_spec(), "bm25": BM25_SPEC},
    cutting=1,
)


def material(encoder: TopicEncoder | None = None) -> Material:
    used = encoder or TopicEncoder()
    return Material(
        passages=lambda: iter(PASSAGES),
        documents=lambda: None,
        cut=lambda: CutReport(rejects=3, long_passages=1, remarks=("one article has no body",)),
        text=lambda passage: f"{passage.title} {passage.text}",
        encoder=lambda name: used,
        source=Source(path="", stamp="stamp"),
    )
