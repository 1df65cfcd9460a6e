"""Hard-wrapped prose stays whole; headings, fields and lists still break; nothing grows without end."""

from __future__ import annotations

import textwrap
from itertools import accumulate, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.corpora.catalogue import find_corpus, read_documents
from medsearch.corpora.rejects import Rejects
from medsearch.corpora.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "The patient was given\n50 mg of aspirin daily and\nWarfarin was stopped.",
        "Stage\nII disease of the\nLeft lung",
        "He was seen by Dr.\nSmith in clinic.",
        "The opening pressure was 116/61 with a mean of\n64.",
        "Cultures grew nothing after the\nGram stain, and the child went home on oral\nAugmentin with a visit"
        " at\nBoston Children's planned.",
    ],
)
def test_a_wrapped_sentence_is_one(sentence: str) -> None:
    assert sentences(sentence) == [sentence]


@pytest.mark.parametrize(
    "lines",
    [
        "CHIEF COMPLAINT|Cough",
        "Past Medical History|Asthma since childhood|Hay fever in spring",
        "Cough|Fever|Night sweats",
        "No known allergies|Takes no medicines|Lives alone at home",
        "Weight: 81 kg|Height: 175 cm|Blood pressure: 124/78",
        "The patient takes these each\nday without fail|- Aspirin 81 mg|- Metformin 500 mg",
        "Findings on that day were in\nkeeping with this|1) Effusion|2) Atelectasis",
        "She is well and has no new\ncomplaints|ALLERGIES|Penicillin",
        "His skin was warm and\ndry|Neck: Supple|Lungs: Clear",
        "o Aspirin|o Metformin",
    ],
)
def test_headings_fields_and_lists_break(lines: str) -> None:
    assert sentences(lines.replace("|", "\n")) == lines.split("|")


@pytest.mark.parametrize(
    "line", ["pt c/o cough and chills today", "Seen on the ward by the team of\nThe day"]
)
def test_a_long_note_without_full_stops_is_not_one_sentence(line: str) -> None:
    note = "\n".join([line] * 100)
    found = sentences(note)
    assert max(map(len, found)) <= 800
    assert "\n".join(found) == note


def test_a_single_line_is_never_cut_however_long() -> None:
    line = "Word" + " word" * 400
    assert sentences(f"{line}\ngoes on") == [line, "goes on"]


piece = st.sampled_from(
    ["Stage", "of the", "Cough.", "- item", "Key: value", "50 mg", "", "THE PLAN", "dr.", "\t"]
)


@given(st.lists(piece, max_size=40).map("\n".join), st.text(alphabet="aA. \n\t-(:1", max_size=80))
def test_spans_are_ordered_trimmed_and_leave_only_white_space(built: str, random: str) -> None:
    for text in (built, random):
        spans = sentence_spans(text)
        at = 0
        for start, end in spans:
            assert at <= start < end
            assert text[start:end] == text[start:end].strip()
            assert not text[at:start].strip()
            at = end
        assert not text[at:].strip()


def ends(text: str) -> set[int]:
    """Where sentences end, in characters that are not white space."""
    solid = [0, *accumulate(not character.isspace() for character in text)]
    return {solid[end] for _, end in sentence_spans(text)}


@pytest.mark.parametrize("width", [40, 72])
def test_real_notes_wrapped_by_hand_keep_their_sentences(real_data: Path, width: int) -> None:
    location = find_corpus("clinical_notes/aci_bench", [real_data])
    cut = missed = total = 0
    for document in islice(read_documents(location, Rejects()), 0, 60, 2):
        before = ends(document.text)
        lines = [textwrap.fill(line, width, break_on_hyphens=False) for line in document.text.splitlines()]
        after = ends("\n".join(lines))
        total += len(before)
        cut += len(after - before)
        missed += len(before - after)
    assert total > 1000
    assert cut / total < 0.015
    assert missed / total < 0.01
