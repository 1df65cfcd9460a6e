"""Texts that are the same, or nearly: the quick join against comparing every pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mining.questions import components
from pipeline.mining.texts import Shingler, alike_from, jaccard, near_duplicates, normalised

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
    found = list(near_duplicates(sets, threshold))
    close = {(a, b) for a, b in combinations(range(len(texts)), 2) if jaccard(sets[a], sets[b]) >= threshold}
    assert {tuple(sorted(each)) for each in found} <= close
    head = [min(b for b in range(len(texts)) if jaccard(sets[a], sets[b]) == 1.0) for a in range(len(texts))]
    # Of equal texts only the first is compared with others, and each is tied to it.
    expected = {(head[a], head[b]) for a, b in close if head[a] != head[b]}
    assert {tuple(sorted(each)) for each in expected} == {
        tuple(sorted((head[a], head[b]))) for a, b in found if head[a] != head[b]
    }
    assert {b for a, b in found if head[a] == head[b]} == {n for n in range(len(texts)) if head[n] != n}


@settings(deadline=None, max_examples=200)
@given(
    drawn=st.lists(st.tuples(WORDS, st.sampled_from(["", "", "g1", "g2"])), min_size=1, max_size=12),
    threshold=st.sampled_from([0.3, 0.5, 0.8]),
)
def test_texts_of_two_known_groups_must_be_almost_equal(drawn: list, threshold: float) -> None:
    shingler = Shingler()
    sets, groups = [shingler(text) for text, _ in drawn], [group for _, group in drawn]
    found = {tuple(sorted(each)) for each in near_duplicates(sets, threshold, groups)}
    tied = components(len(drawn), [*found, *same_group(groups)])
    alike = {
        (a, b)
        for a, b in combinations(range(len(drawn)), 2)
        if jaccard(sets[a], sets[b]) >= alike_from(threshold, groups[a], groups[b])
    }
    assert found <= alike
    # Whoever joins groups anyhow finds all that is alike in one component.
    assert tied == components(len(drawn), [*alike, *same_group(groups)])


def same_group(groups: list[str]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in combinations(range(len(groups)), 2) if groups[a] and groups[a] == groups[b]]


def test_of_one_template_only_what_is_not_joined_yet_is_compared() -> None:
    """2,000 documents of one template make two million pairs; it takes 1,999 to join them."""
    shingler = Shingler()
    middle = " ".join(f"word{number}" for number in range(60))
    sets = [shingler(f"disease{number} {middle} as in disease{number}") for number in range(2000)]
    label = np.arange(2000)
    given_out = 0
    for a, b in near_duplicates(sets, 0.8, joined=lambda a, b: label[a] == label[b]):
        given_out += 1
        label[label == label[b]] = label[a]
    assert len(set(label)) == 1
    assert given_out < 25_000
    groups = [f"group{number}" for number in range(2000)]
    assert list(near_duplicates(sets, 0.8, groups)) == []
