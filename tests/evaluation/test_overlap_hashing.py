"""Words, hashes and sketches underneath the search for overlaps."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.index import BenchmarkTexts
from medsearch.evaluation.overlap.normalise import normalised_words
from medsearch.evaluation.overlap.sketches import BANDS, JACCARD, ROWS, SketchSearch, jaccard, sketch
from medsearch.evaluation.overlap.words import Words

WORD_LISTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=6)


def test_every_format_character_is_invisible() -> None:
    formats = [chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)) == "Cf"]
    assert len(formats) > 100
    assert [one for one in formats if normalised_words(f"sy{one}ncope") != ["syncope"]] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p < 0.05 and IL-6<CRP, x > 3 [see 2]", "p 0 05 and il 6 crp x 3 see 2"),
        ("Query:", "query"),
        ("Q fever", "q fever"),
        ("Text: Answer:", "text answer"),
        ("Hepatitis A: what is it?", "hepatitis a what is it"),
        ("Vitamin A: ", "vitamin"),
        ("AT&T; &amp; &bogus;", "at t bogus"),
    ],
)
def test_what_only_looks_like_mark_up_or_a_prompt_is_text(text: str, words: str) -> None:
    assert normalised_words(text) == words.split()


def test_each_text_is_kept_once() -> None:
    collected = BenchmarkTexts()
    assert [collected.add(text) for text in ("One two.", "three", "ONE, two", " . ")] == [0, 1, 0, None]
    assert len(collected) == len(collected.words()) == 2


def test_words_by_compatibility_and_script() -> None:
    assert normalised_words("The ﬁrst β-Blocker_dose: 2.5\u00a0mg") == [
        "the", "first", "β", "blocker", "dose", "2", "5", "mg",
    ]  # fmt: skip
    assert normalised_words("新冠COVID疫苗") == ["新", "冠", "covid", "疫", "苗"]


@given(WORD_LISTS)
def test_hashes_are_equal_exactly_where_the_words_are(texts: list[list[str]]) -> None:
    words = Words.of(texts)
    rows = [number for number, text in enumerate(texts) for _ in text]

    def agree(hashes: np.ndarray, meant: list[tuple[str, ...]]) -> None:
        assert len(hashes) == len(meant)
        assert (
            len(set(zip(hashes.tolist(), meant, strict=True))) == len(set(hashes.tolist())) == len(set(meant))
        )

    places = [(number, place) for number, text in enumerate(texts) for place in range(len(text))]
    heads, of_head = words.heads()
    less, of_less = words.with_one_dropped()
    meant = [tuple(texts[n][: p + 1]) for n, p in places]
    dropped = [tuple(texts[n][:p] + texts[n][p + 1 :]) for n, p in places]
    whole = [tuple(text) for text in texts]
    assert of_head.tolist() == of_less.tolist() == rows
    agree(np.concatenate([words.whole(), heads, less]), whole + meant + dropped)
    grams, of_gram = words.grams(3)
    runs = [(n, tuple(text[p : p + 3])) for n, text in enumerate(texts) for p in range(len(text) - 2)]
    assert of_gram.tolist() == [number for number, _ in runs]
    agree(grams, [run for _, run in runs])


@given(WORD_LISTS, st.data())
def test_chosen_joined_and_thinned_words_are_those_of_the_texts(
    texts: list[list[str]], data: st.DataObject
) -> None:
    words = Words.of(texts)
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))))) if texts else []
    chosen = words.chosen(np.asarray(rows, dtype=np.int64))
    assert chosen.whole().tolist() == words.whole()[np.asarray(rows, dtype=np.int64)].tolist()
    assert Words.joined([words, chosen]).whole().tolist() == [*words.whole(), *chosen.whole()]
    thinned = words.without(words.hashes == Words.of([["a"]]).hashes[0])
    assert (
        thinned.whole().tolist()
        == Words.of([[w for w in text if w != "a"] for text in texts]).whole().tolist()
    )


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 5))), st.lists(st.integers(0, 2**64 - 1)))
def test_a_hash_table_is_a_dictionary(pairs: list[tuple[int, int]], others: list[int]) -> None:
    expected: dict[int, set[int]] = {}
    for key, text in pairs:
        expected.setdefault(key, set()).add(text)
    keys = np.asarray([key for key, _ in pairs], dtype=np.uint64)
    table = HashTable.of(keys, np.asarray([text for _, text in pairs], dtype=np.int64), listed=2)
    asked = np.asarray([*expected, *others], dtype=np.uint64)
    rows, texts = table.texts_of(asked, np.arange(len(asked)))
    found: dict[int, set[int]] = {}
    for row, text in zip(rows.tolist(), texts.tolist(), strict=True):
        found.setdefault(int(asked[row]), set()).add(text)
    assert found == {key: owners for key, owners in expected.items() if len(owners) <= 2}
    assert table.owned(asked).tolist() == [len(expected.get(int(key), ())) for key in asked]


def test_a_sketch_estimates_the_jaccard_similarity() -> None:
    sets = [np.arange(0, 300), np.arange(100, 400), np.arange(250, 550), np.arange(0, 300)]
    mixed = [np.sort(part.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) for part in sets]
    signatures = sketch(Words(np.concatenate(mixed), np.asarray([0, 300, 600, 900, 1200])))
    assert signatures.shape == (BANDS * ROWS, 4)
    for (a, b), true in {(0, 1): 200 / 400, (0, 2): 50 / 550, (0, 3): 1.0}.items():
        assert jaccard(mixed[a], mixed[b]) == pytest.approx(true)
        estimate = float((signatures[:, a] == signatures[:, b]).mean())
        assert estimate == pytest.approx(true, abs=4 * (true * (1 - true) / (BANDS * ROWS)) ** 0.5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_sketches_find_what_comparing_every_pair_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    texts = [[f"{seed}-{word}" for word in random.integers(0, 400, 60)] for _ in range(30)]
    asked = [["x" if random.random() < share else word for word in texts[number]] for number, share in
             enumerate(random.random(30) * 0.3)]  # fmt: skip
    search = SketchSearch.of(Words.of(texts))
    found = search.find(Words.of(asked))
    pairs = {(row, text) for row, text in zip(found.rows.tolist(), found.texts.tolist(), strict=True)}

    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return set(zip(words, words[1:], words[2:], strict=False))

    for row, mine in enumerate(asked):
        for text, theirs in enumerate(texts):
            true = len(runs(mine) & runs(theirs)) / len(runs(mine) | runs(theirs))
            assert (row, text) not in pairs or true >= JACCARD
            assert (row, text) in pairs or true < JACCARD + 0.1  # at 0.6 one pair in 30,000 is missed
