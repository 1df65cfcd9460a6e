"""Quotations are found in their note, or refused: the threshold is tried on both of its sides."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding import ground

NOTE = (
    "A 52-year-old man had crushing chest pain for two hours. The ECG showed ST elevation in leads II, III\n"
    "and aVF. He was given aspirin 300 mg and underwent primary angioplasty of the right coronary artery. "
    "He went home on day four."
)


def found(quotation: str, min_alignment: float = 90) -> str | None:
    place = ground(quotation, NOTE, min_alignment=min_alignment)
    return None if place is None else NOTE[place.start : place.end]


@pytest.mark.parametrize(
    "quotation",
    [
        "The ECG showed ST elevation in leads II, III\nand aVF.",
        "The ECG showed ST elevation in leads II, III and aVF.",
        '  "the ecg showed ST elevation in leads II, III and AVF."  ',
        "\u201cThe ECG showed ST elevation in leads II, III and aVF.\u201d",
    ],
)
def test_a_quotation_word_for_word_is_found_whatever_its_blanks_case_and_marks(quotation: str) -> None:
    place = ground(quotation, NOTE, min_alignment=100)
    assert place is not None
    assert place.alignment == 100
    assert NOTE[place.start : place.end] == "The ECG showed ST elevation in leads II, III\nand aVF."


def test_a_quotation_cut_inside_a_word_is_widened_to_it() -> None:
    assert found("angioplasty of the right coronary arte") == "angioplasty of the right coronary artery."


def test_small_slips_are_aligned_and_the_notes_own_words_are_kept() -> None:
    slipped = "He was given aspirin 300mg, and undergoes primary angioplasty of the right coronary artery."
    assert found(slipped) == (
        "He was given aspirin 300 mg and underwent primary angioplasty of the right coronary artery."
    )


@pytest.mark.parametrize(
    "invented",
    [
        "He was given clopidogrel and had a bypass operation.",
        "The patient had a stroke on the second day.",
        "CT pulmonary angiography showed emboli in both lower lobes.",
        "",
        '""',
        "A sentence that is longer than the whole note. " * 20,
    ],
)
def test_what_the_note_does_not_say_is_refused(invented: str) -> None:
    assert found(invented) is None


def test_the_threshold_decides() -> None:
    wrong = "He was given heparin 300 mg and underwent primary bypass of the right coronary artery."
    place = ground(wrong, NOTE, min_alignment=50)
    assert place is not None
    assert 50 < place.alignment < 90
    assert found(wrong, place.alignment - 0.2) is not None
    assert found(wrong, place.alignment + 0.2) is None


@pytest.mark.parametrize(
    "misquoted",
    [
        "He was given aspirin 200 mg and underwent primary angioplasty of the right coronary artery.",
        "He was not given aspirin 300 mg and underwent primary angioplasty of the right coronary artery.",
        "A 53-year-old man had crushing chest pain for two hours.",
    ],
)
def test_another_number_or_negation_is_another_statement_however_close_the_letters(misquoted: str) -> None:
    assert found(misquoted, 80) is None


WORDS = (
    "The woman had crushing chest pain on the stairs and while she was reading. The tracing showed a raised "
    "segment, and she was given aspirin before she underwent angioplasty of the right coronary artery."
)


@given(start=st.integers(0, len(WORDS) - 40), length=st.integers(20, 80), seed=st.integers(0, 99))
def test_any_stretch_of_the_note_is_found_where_it_is_with_one_letter_changed_too(
    start: int, length: int, seed: int
) -> None:
    stretch = WORDS[start : start + length].strip()
    place = ground(stretch, WORDS, min_alignment=90)
    assert place is not None
    assert place.alignment == 100
    assert stretch in WORDS[place.start : place.end]
    at = random.Random(seed).randrange(len(stretch))
    place = ground(stretch[:at] + "~" + stretch[at + 1 :], WORDS, min_alignment=90)
    assert place is not None
    assert place.alignment >= 90


def test_letters_that_change_length_in_lower_case_do_not_move_the_place() -> None:
    note = "\u0130stanbul clinic, 2020. " * 3 + "The biopsy showed sarcoidosis of the lung."
    place = ground("The biopsy shows sarcoidosis of the lung.", note, min_alignment=90)
    assert place is not None
    assert note[place.start : place.end] == "The biopsy showed sarcoidosis of the lung."
