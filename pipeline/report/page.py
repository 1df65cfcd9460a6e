"""The page of sampled triplets, for reading by eye: one file, nothing fetched, no script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.facts import Facts
from pipeline.report.rendering import render
from pipeline.report.sample import Sampled

NEAR = 0.05
"""A margin below this stands out: the negative may answer the query as well."""

FOLD = 1_600
"""Characters of a passage that are in sight at once; whole documents can have fifty thousand."""

Evidence = Mapping[tuple[str, str], str]
"""(run, row id) -> the words of the positive that answer the query; rows without any are absent."""


def sample_page(facts: Facts, evidence: Evidence) -> str:
    """The page's HTML."""
    cards = [_card(sampled, evidence.get((sampled.run, sampled.row.row_id), "")) for sampled in facts.sample]
    strata = {(card["corpus"], card["kind"]) for card in cards}
    context = {
        "runs": [run.name for run in facts.runs],
        "seed": facts.seed,
        "total": facts.tally.total,
        "strata": len(strata),
        "cards": cards,
        "near": NEAR,
        "with_evidence": any(card["evidence_known"] for card in cards),
    }
    return render("sample.html.j2", context)


def _card(sampled: Sampled, evidence: str) -> dict[str, Any]:
    row = sampled.row
    return {
        "run": sampled.run,
        "row_id": row.row_id,
        "query": row.query,
        "kind": str(row.kind),
        "split": str(row.split),
        "corpus": row.source.corpus,
        "doc_id": row.source.doc_id,
        "licence": row.source.licence,
        "url": row.source.url,
        "group": row.source.group,
        "llm": row.llm,
        "score": row.positive_score,
        "positive": shown(row.positive, evidence),
        "evidence_known": bool(evidence),
        "evidence_apart": evidence if evidence and _span(row.positive, evidence) is None else "",
        "negatives": [
            {
                "shown": shown(text),
                "id": passage_id,
                "score": score,
                "margin": row.positive_score - score,
                "found_by": how,
            }
            for text, passage_id, score, how in zip(
                row.negatives, row.negative_ids, row.negative_scores, row.found_by, strict=True
            )
        ],
    }


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as the page has it: pieces with whether each is the evidence, and what is folded away."""

    pieces: tuple[tuple[bool, str], ...]
    rest: str


def shown(text: str, evidence: str = "") -> Shown:
    """The text with its evidence apart, where it has any; blanks may differ between the two.

    A long text is folded at a blank after `FOLD` characters, or after the evidence where that ends later.
    """
    start, end = _span(text, evidence) or (0, 0)
    fold = text.find(" ", max(end, FOLD))
    fold = len(text) if fold < 0 or len(text) - fold < FOLD // 4 else fold
    pieces = ((False, text[:start]), (True, text[start:end]), (False, text[end:fold]))
    return Shown(tuple(piece for piece in pieces if piece[1]), text[fold:].strip())


def _span(text: str, evidence: str) -> tuple[int, int] | None:
    words = evidence.split()
    found = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
    return found.span() if found else None
