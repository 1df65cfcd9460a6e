"""The bundled stress pairs are what the card says of them: enough, minimal, read twice, and all different."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from medsearch.evaluation.stress_pairs import StressSet, read_stress_set

CATEGORIES = (
    "abbreviation",
    "acute_chronic",
    "age_sex_pregnancy",
    "brand_generic",
    "codes",
    "dose_and_number",
    "laterality",
    "lookalike_drugs",
    "negation",
    "procedure_condition",
)
LEAST = 40


@pytest.fixture(scope="module")
def stress(root: Path) -> StressSet:
    return read_stress_set(root / "data" / "stress")


def test_every_category_has_enough_pairs(stress: StressSet) -> None:
    assert stress.categories == CATEGORIES
    counts = Counter(pair.category for pair in stress.pairs)
    assert {name: count for name, count in counts.items() if count < LEAST} == {}


def test_every_pair_was_read_a_second_time(stress: StressSet) -> None:
    assert [pair.pair_id for pair in stress.pairs if pair.checked != "yes"] == []


def test_no_query_and_no_passage_comes_twice(stress: StressSet) -> None:
    """A repeated text would count one judgement twice, and make two outcomes hang together."""
    queries = Counter(_plain(pair.query) for pair in stress.pairs)
    passages = Counter(_plain(text) for pair in stress.pairs for text in (pair.right, pair.wrong))
    assert [text for text, count in (queries + passages).items() if count > 1] == []


def test_texts_are_tidy(stress: StressSet) -> None:
    """One line without space around it, as long as a sentence or two."""
    for pair in stress.pairs:
        for text in (pair.query, pair.right, pair.wrong, pair.difference, pair.source):
            assert text == " ".join(text.split()), pair.pair_id
            assert len(text) <= 600, pair.pair_id


def test_the_right_passage_is_not_known_by_its_length(stress: StressSet) -> None:
    """A retriever that likes short or long passages would otherwise pass without reading."""
    longer = sum(len(pair.right) > len(pair.wrong) for pair in stress.pairs)
    shorter = sum(len(pair.right) < len(pair.wrong) for pair in stress.pairs)
    assert 0.35 <= longer / (longer + shorter) <= 0.65


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
