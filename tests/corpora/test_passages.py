"""Passages never cut a sentence, keep their place in the text, and lose nothing."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.corpora.passages import document_text, passage_text, split_document, split_documents
from medsearch.corpora.sentences import sentence_spans
from medsearch.errors import UsageError
from medsearch.types import Document, PassageSettings, Section


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


ABBREVIATED = "She took 5 mg. of warfarin b.i.d. and was well.|INR 2.5."
NAMED = "Pts. were seen by Dr. Smith et al. in clinic.|None had E. coli."
NOTE = "CHIEF COMPLAINT|Cough for 3 wks.|No fever"
WRAPPED = "A line that wraps\nin the middle.|Then, after a comma,\nIt goes on."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ABBREVIATED.replace("|", " "), ABBREVIATED.split("|")),
        (NAMED.replace("|", " "), NAMED.split("|")),
        (NOTE.replace("|", "\n"), NOTE.split("|")),
        (WRAPPED.replace("|", " "), WRAPPED.split("|")),
        ("FINDINGS: 1. Effusion. 2. No fracture.", ["FINDINGS: 1.", "Effusion.", "2. No fracture."]),
        ("Is it safe? Yes! Go on.", ["Is it safe?", "Yes!", "Go on."]),
        ("", []),
        (" \n \n ", []),
    ],
)
def test_sentences_of_clinical_text(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


VOCABULARY = ("fever", "cough", "the", "left", "right", "5", "mg", "dose", "of")
sentence = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=30).map(
    lambda chosen: " ".join(chosen).capitalize() + "."
)
texts = st.lists(sentence, min_size=0, max_size=25).map(" ".join)
lengths = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


@given(text=texts, length=lengths)
def test_passages_are_whole_sentences_and_leave_none_out(text: str, length: tuple[int, int]) -> None:
    settings = PassageSettings(max_tokens=length[0], overlap_tokens=length[1], tokenizer="words")
    passages = split_document(Document("d", "Title", text), settings, words)
    spans = sentence_spans(text)
    starts, ends = {start for start, _ in spans} | {0}, {end for _, end in spans} | {0}
    covered: set[tuple[int, int]] = set()
    for number, passage in enumerate(passages):
        assert passage.number == number
        assert passage.text == text[passage.start : passage.end]
        assert passage.start in starts
        assert passage.end in ends
        inside = {span for span in spans if passage.start <= span[0] and span[1] <= passage.end}
        assert len(inside) <= 1 or words([passage.text])[0] <= settings.max_tokens
        covered |= inside
    assert covered == set(spans)
    assert [p.end for p in passages] == sorted({p.end for p in passages})
    for before, after in pairwise(passages):
        assert words([text[after.start : before.end]])[0] <= settings.overlap_tokens


def test_overlap_repeats_whole_sentences() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    settings = PassageSettings(max_tokens=6, overlap_tokens=3, tokenizer="words")
    assert [p.text for p in split_document(Document("d", "", text), settings, words)] == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine.",
        "Seven eight nine. Ten eleven twelve.",
    ]


def test_a_passage_stays_in_its_section_and_text_outside_sections_is_kept() -> None:
    text = "Before. Aim one. Aim two. Between. How it was done."
    sections = (Section("Aims", 8, 25), Section("Methods", 35, 51))
    passages = split_document(Document("d", "T", text, sections=sections), PassageSettings(), words)
    assert [(p.section, p.text) for p in passages] == [
        ("", "Before."),
        ("Aims", "Aim one. Aim two."),
        ("", "Between."),
        ("Methods", "How it was done."),
    ]


def test_a_sentence_longer_than_a_passage_stays_whole() -> None:
    long = "Word " + "word " * 50 + "end."
    settings = PassageSettings(max_tokens=10, overlap_tokens=2, tokenizer="words")
    assert [
        p.text for p in split_document(Document("d", "", f"Short one. {long} Short two."), settings, words)
    ] == [
        "Short one.",
        long,
        "Short two.",
    ]


def test_a_title_alone_is_one_passage_that_can_be_found() -> None:
    [passage] = split_document(Document("d", "Fever in children", ""), PassageSettings(), words)
    assert (passage.text, passage_text(passage)) == ("", "Fever in children")
    assert document_text(Document("d", "", "Text only")) == "Text only"


@pytest.mark.parametrize(("length", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_impossible_lengths_are_refused(length: int, overlap: int) -> None:
    with pytest.raises(UsageError, match="the length must be positive and the overlap smaller"):
        list(split_documents([], PassageSettings(length, overlap), words))


def test_real_documents_keep_every_character_that_is_not_white_space(real_data: Path) -> None:
    with gzip.open(real_data / "medquad" / "corpus.jsonl.gz", "rt", encoding="utf-8") as stream:
        lines = list(islice(stream, 300))
    for record in map(json.loads, lines):
        document = Document(record["_id"], record["title"], record["text"])
        kept = bytearray(len(document.text))
        for passage in split_document(document, PassageSettings(), words):
            kept[passage.start : passage.end] = b"1" * (passage.end - passage.start)
        lost = "".join(c for c, k in zip(document.text, kept, strict=True) if not k)
        assert lost.strip() == ""


@pytest.mark.parametrize(
    "odd", [" " * 200_000, "A" * 200_000, "a. " * 50_000, "\t \n" * 50_000, "1.\n" * 50_000]
)
def test_odd_text_is_cut_in_reasonable_time(odd: str) -> None:
    started = time.process_time()
    sentence_spans(f"Before. {odd} After.")
    assert time.process_time() - started < 20  # a quadratic rule takes minutes here
