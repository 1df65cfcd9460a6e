"""What is asked about a note: sentences spread over it, fitting their kind, the same every time."""

from __future__ import annotations

import pytest
from generate_material import count_words, note_text, recipe

from medsearch.types import Document, PassageSettings
from pipeline.grounding import Grounded
from pipeline.notes import NotePassage, NoteRow, _cut
from pipeline.prompting import load_prompt
from pipeline.questions import passage_of, place_of, questions_about
from pipeline.recipe import GenerateTable
from pipeline.records import QueryKind, SourceDocument


def note(text: str, title: str = "") -> NoteRow:
    source = SourceDocument(corpus="c", doc_id="d1")
    cut, _ = _cut(Document("d1", title, text), source, PassageSettings(30, 5, "words"), count_words)
    return cut


def test_one_sentence_a_query_none_twice_before_all_were_asked_about() -> None:
    questions = questions_about(note(note_text(4)), load_prompt("one_text"), recipe("one_text").generate)
    places = [question.evidence for question in questions if question.evidence]
    assert len(places) == 6
    assert [next(iter(question.kinds)) for question in questions] == [
        kind for kind in (QueryKind.KEYWORD, QueryKind.QUESTION, QueryKind.MANAGEMENT) for _ in range(2)
    ]
    for question in questions:
        assert question.evidence is not None
        assert question.text == note_text(4)[question.evidence.start : question.evidence.end]
        assert question.text.endswith(".")
    assert len({place.start for place in places[:4]}) == 4


def test_management_is_asked_about_sentences_with_treatment_in_them() -> None:
    for number in range(12):
        questions = questions_about(
            note(note_text(number)), load_prompt("one_text"), recipe("one_text").generate
        )
        for question in questions[4:]:
            assert "treated" in question.text or "follow-up" in question.text


def test_the_same_note_is_always_asked_the_same() -> None:
    settings = recipe("one_text").generate
    assert questions_about(note(note_text(1)), load_prompt("one_text"), settings) == questions_about(
        note(note_text(1)), load_prompt("one_text"), settings
    )


def test_numbers_and_kinds_are_settings() -> None:
    settings = GenerateTable(mode="one", prompt="one", queries={QueryKind.KEYWORD: 3})
    questions = questions_about(note(note_text(1)), load_prompt("one"), settings)
    assert [question.kinds for question in questions] == [{QueryKind.KEYWORD: 1}] * 3
    (question,) = questions_about(
        note(note_text(1)), load_prompt("six"), GenerateTable(queries={QueryKind.MANAGEMENT: 4})
    )
    assert question.kinds == {QueryKind.MANAGEMENT: 4}


def test_a_note_of_one_short_sentence_is_still_asked_about() -> None:
    questions = questions_about(note("He got well."), load_prompt("one_text"), recipe("one_text").generate)
    assert {question.text for question in questions} == {"He got well."}


def test_a_title_is_shown_where_the_note_has_one() -> None:
    (question,) = questions_about(note("He got well.", "Mumps"), load_prompt("six"), GenerateTable())
    assert question.text == "Mumps\n\nHe got well."


@pytest.mark.parametrize(
    ("place", "expected"),
    [((0, 10), "d#0"), ((25, 35), "d#0"), ((40, 60), "d#1"), ((45, 70), "d#1"), ((70, 80), "d#2")],
)
def test_the_passage_is_the_one_that_shares_most(place: tuple[int, int], expected: str) -> None:
    row = NoteRow(
        title="",
        text="x" * 80,
        language="en",
        passages=(
            NotePassage(passage_id="d#0", start=0, end=40),
            NotePassage(passage_id="d#1", start=25, end=65),
            NotePassage(passage_id="d#2", start=60, end=80),
        ),
        source=SourceDocument(corpus="c", doc_id="d"),
    )
    assert passage_of(row, Grounded(*place, alignment=100.0)) == expected


def test_a_passage_that_is_too_short_or_not_there_has_its_reason() -> None:
    row = note(note_text(2))
    (question,) = questions_about(row, load_prompt("six"), GenerateTable())
    assert place_of(question, "a cyst", row, GenerateTable()) == "passage too short"
    assert place_of(question, "penicillin for a sore throat at home", row, GenerateTable()) == "unfaithful"
    assert isinstance(place_of(question, row.text[10:60], row, GenerateTable()), Grounded)
