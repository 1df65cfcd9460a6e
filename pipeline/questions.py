"""What is asked about a note, and what becomes of the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from medsearch.corpora.sentences import sentence_spans
from pipeline.grounding import Grounded, ground
from pipeline.notes import NoteRow
from pipeline.prompting import Prompt
from pipeline.recipe import GenerateTable, Mode
from pipeline.records import QueryKind

MIN_SENTENCE = 40
"""Characters; a shorter sentence ("She recovered.") says too little to be asked about."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call to the LLM: how many queries of which kind, about which words.

    `evidence` is set where the prompt gives the sentence; `text` is what the LLM is shown.
    """

    kinds: dict[QueryKind, int]
    text: str
    evidence: Grounded | None


def questions_about(note: NoteRow, prompt: Prompt, table: GenerateTable) -> list[Question]:
    """The calls that a note needs, always the same for the same note and settings."""
    shown = f"{note.title}\n\n{note.text}" if note.title else note.text
    if prompt.mode is Mode.SIX:
        return [Question(dict(table.queries), shown, None)]
    wanted = [kind for kind, count in table.queries.items() for _ in range(count)]
    if prompt.evidence == "quoted":
        return [Question({kind: 1}, shown, None) for kind in wanted]
    spans = _worth_asking(note)
    taken: list[tuple[int, int]] = []
    questions = []
    for number, kind in enumerate(wanted):
        span = _sentence_for(kind, spans, taken, note, prompt, number)
        taken.append(span)
        questions.append(Question({kind: 1}, note.text[slice(*span)], Grounded(*span, alignment=100.0)))
    return questions


def _worth_asking(note: NoteRow) -> list[tuple[int, int]]:
    spans = sentence_spans(note.text, note.language)
    return [span for span in spans if span[1] - span[0] >= MIN_SENTENCE] or spans or [(0, len(note.text))]


def _sentence_for(
    kind: QueryKind,
    spans: Sequence[tuple[int, int]],
    taken: Sequence[tuple[int, int]],
    note: NoteRow,
    prompt: Prompt,
    number: int,
) -> tuple[int, int]:
    """A sentence that fits the kind, the least asked about first; among equals by a hash of the note's id."""
    cues = prompt.kinds[kind].cues
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, cues))})", re.IGNORECASE) if cues else None
    fitting = [span for span in spans if pattern is None or pattern.search(note.text, *span)] or spans

    def order(span: tuple[int, int]) -> tuple[int, str]:
        chance = sha256(f"{note.source.doc_id}:{number}:{span[0]}".encode()).hexdigest()
        return taken.count(span), chance

    return min(fitting, key=order)


def place_of(question: Question, passage: str, note: NoteRow, table: GenerateTable) -> Grounded | str:
    """Where the evidence of an answer stands in the note, or in a word why it cannot be used."""
    if question.evidence is not None:
        return question.evidence
    found = ground(passage, note.text, min_alignment=table.min_alignment)
    if found is None:
        return "unfaithful"
    if found.end - found.start < table.min_evidence_characters:
        return "passage too short"
    return found


def passage_of(note: NoteRow, place: Grounded) -> str:
    """The id of the pool passage that holds most of the evidence, the first of equals."""

    def shared(number: int) -> int:
        passage = note.passages[number]
        return min(place.end, passage.end) - max(place.start, passage.start)

    best = max(range(len(note.passages)), key=lambda number: (shared(number), -number))
    return note.passages[best].passage_id
