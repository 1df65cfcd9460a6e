"""Texts that are the same, or nearly: the quick join against comparing every pair."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mining.texts import Shingler, jaccard, near_duplicates, normalised

WORDS = st.lists(st.sampled_from(["heart", "lung", "rash", "of", "the", "pain"]), max_size=9).map(" ".join)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is Asthma?", "what is  asthma"),
        ("β-blockers, 5 mg", "\u0392 blockers 5\u00a0MG"),
        ("ﬁbrosis", "FIBROSIS"),
        ("???", "???"),
    ],
)
def test_case_punctuation_and_layout_do_not_make_another_text(a: str, b: str) -> None:
    assert normalised(a) == normalised(b)


def test_texts_without_a_word_are_not_all_the_same() -> None:
    assert normalised("???") != normalised("!!!")


def test_jaccard_of_texts_counted_by_hand() -> None:
    shingler = Shingler()
    a, b = shingler("one two three four five"), shingler("zero one two three four")
    # (one two three), (two three four) are shared; (three four five), (zero one two) are not.
    assert jaccard(a, b) == 0.5
    assert jaccard(a, shingler("Five, four, three, two, one")) == 0.0
    assert jaccard(shingler("chest pain"), shingler("Chest pain!")) == 1.0
    assert jaccard(shingler("chest pain"), shingler("chest")) == 0.0


@settings(deadline=None, max_examples=200)
@given(texts=st.lists(WORDS, min_size=1, max_size=14), threshold=st.sampled_from([0.3, 0.5, 0.8, 2 / 3, 1.0]))
def test_no_near_duplicate_is_missed_and_none_invented(texts: list[str], threshold: float) -> None:
    shingler = Shingler()
    sets = [shingler(text) for text in texts]
    found = near_duplicates(sets, threshold)
    close = {(a, b) for a, b in combinations(range(len(texts)), 2) if jaccard(sets[a], sets[b]) >= threshold}
    assert {tuple(sorted(each)) for each in found} <= close
    head = [min(b for b in range(len(texts)) if jaccard(sets[a], sets[b]) == 1.0) for a in range(len(texts))]
    # Of equal texts only the first is compared with others, and each is tied to it.
    expected = {(head[a], head[b]) for a, b in close if head[a] != head[b]}
    assert {tuple(sorted(each)) for each in expected} == {
        tuple(sorted((head[a], head[b]))) for a, b in found if head[a] != head[b]
    }
    assert {b for a, b in found if head[a] == head[b]} == {n for n in range(len(texts)) if head[n] != n}
