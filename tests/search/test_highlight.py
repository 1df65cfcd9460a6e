"""What is marked is what BM25 counts."""

from __future__ import annotations

import pytest
from fakes import BM25_SPEC
from hypothesis import given
from hypothesis import strategies as st

from medsearch.search.highlight import matched_spans


def marked(query: str, text: str) -> list[str]:
    return [text[start:end] for start, end in matched_spans(query, text, BM25_SPEC)]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("treating fevers", "Treatment of fever; treated Fevers.", ["fever", "treated", "Fevers"]),
        ("COVID-19", "Covid vaccines since 2019; COVID-19.", ["Covid", "COVID", "19"]),
        ("what is the dose", "The dose is what it is.", ["dose"]),
        ("the of and", "The of and", []),
        ("", "Anything", []),
        ("café", "Café au lait spots", ["Café"]),
    ],
)
def test_words_with_a_shared_stem_are_marked(query: str, text: str, expected: list[str]) -> None:
    assert marked(query, text) == expected


@given(query=st.text(max_size=40), text=st.text(max_size=200))
def test_spans_are_in_order_apart_and_inside_the_text(query: str, text: str) -> None:
    spans = matched_spans(query, text, BM25_SPEC)
    at = 0
    for start, end in spans:
        assert at <= start < end <= len(text)
        at = end
