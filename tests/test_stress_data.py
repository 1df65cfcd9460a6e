"""The bundled stress pairs are what the card says of them: enough, minimal, read twice, and all different."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from medsearch.corpora.catalogue import find_corpus
from medsearch.corpora.listing import list_corpora
from medsearch.errors import UsageError
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
LEANING = 0.65
"""The most that something that does not look at the query may decide of a category's pairs."""
FEW = 1.5
"""How many pairs above one half are let pass where few pairs differ: 2 of 2, or 4 of 6."""
NEGATORS = re.compile(
    r"\b(?:no|not|nor|none|neither|never|nothing|without|cannot|avoid(?:s|ed|ing)?|unsuitable|"
    r"contraindicated|den(?:y|ies|ied)|absent|absence|lack(?:s|ing)?|negative)\b|\b[a-z]+n['\u2019]t\b",
    re.IGNORECASE,
)


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


@pytest.mark.parametrize(
    "cue",
    [
        pytest.param(len, id="characters"),
        pytest.param(lambda text: len(text.split()), id="words"),
        pytest.param(lambda text: len(NEGATORS.findall(text)), id="negators"),
    ],
)
@pytest.mark.parametrize("category", CATEGORIES)
def test_the_right_passage_is_not_known_without_the_query(
    stress: StressSet, category: str, cue: Callable[[str], int]
) -> None:
    """A retriever that likes long or short passages, or "not", would otherwise pass without reading."""
    more, fewer = _decided(stress, category, cue)
    differ = more + fewer
    assert max(more, fewer) <= max(LEANING * differ, differ / 2 + FEW), f"{more} more, {fewer} fewer"


def test_negators_over_all_categories_are_as_often_in_the_right_passage_as_in_the_wrong(
    stress: StressSet,
) -> None:
    """Small leanings of the categories do not add up."""
    counts = [_decided(stress, name, lambda text: len(NEGATORS.findall(text))) for name in CATEGORIES]
    more, fewer = (sum(column) for column in zip(*counts, strict=True))
    assert more + fewer >= 80  # so the check is about something
    assert max(more, fewer) <= 0.58 * (more + fewer)


def test_negators_are_told_by_whole_words() -> None:
    text = "Do not avoid it; nothing is cannot, isn't, Without. Note: nodule, avoidable, knot, notice."
    assert [found.group() for found in NEGATORS.finditer(text)] == [
        *("not", "avoid", "nothing", "cannot", "isn't", "Without"),
    ]


def test_passages_of_a_pair_are_of_like_length(stress: StressSet) -> None:
    """20 to 60 words, and neither more than a quarter longer."""
    for pair in stress.pairs:
        assert 0.8 <= len(pair.right) / len(pair.wrong) <= 1.25, pair.pair_id
        assert all(20 <= len(text.split()) <= 60 for text in (pair.right, pair.wrong)), pair.pair_id


def test_the_folder_is_taken_for_no_corpus(root: Path) -> None:
    """Neither its pairs nor its README are documents to search."""
    assert (root / "data" / "stress" / "README.md").is_file()
    with pytest.raises(UsageError, match="is not a corpus"):
        find_corpus(str(root / "data" / "stress"), ())
    with pytest.raises(UsageError, match="no corpus called 'stress'"):
        find_corpus("stress", (root / "data",))
    assert "stress" not in [corpus.name for corpus in list_corpora((root / "data",))]


def test_the_readme_says_how_many_pairs_there_are(stress: StressSet, root: Path) -> None:
    told = (root / "data" / "stress" / "README.md").read_text("utf-8")
    counts = Counter(pair.category for pair in stress.pairs)
    for category, count in counts.items():
        assert f"| `{category}` | {count} |" in told
    assert f"{len(stress.pairs)} minimal pairs" in told
    changed = sum(
        '"changed": "yes"' in line
        for file in (root / "data" / "stress").glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    )
    assert f"{changed} pairs have been reworded" in told


def _decided(stress: StressSet, category: str, cue: Callable[[str], int]) -> tuple[int, int]:
    """In how many pairs the right passage has more, and in how many fewer."""
    pairs = [pair for pair in stress.pairs if pair.category == category]
    more = sum(cue(pair.right) > cue(pair.wrong) for pair in pairs)
    return more, sum(cue(pair.right) < cue(pair.wrong) for pair in pairs)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
