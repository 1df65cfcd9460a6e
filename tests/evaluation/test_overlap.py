"""Overlap of texts with a benchmark's: what is found, what is not, and the hashing underneath."""

from __future__ import annotations

import sys
import unicodedata
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlap_material import CLEAN, PASSAGES, QUESTIONS, SHORT, WRAPPED, cut, swapped

from medsearch.evaluation.overlap.containment import COMMON
from medsearch.evaluation.overlap.found import Kind
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.index import BenchmarkTexts, OverlapIndex
from medsearch.evaluation.overlap.normalise import normalised_words
from medsearch.evaluation.overlap.sketches import BANDS, JACCARD, ROWS, SketchSearch, jaccard, sketch
from medsearch.evaluation.overlap.words import Words

WORD_LISTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=6)


class Bench(NamedTuple):
    """An index and the texts in it."""

    index: OverlapIndex
    texts: tuple[str, ...]

    def found(self, text: str) -> dict[str, Kind]:
        return {self.texts[one.text]: one.kind for one in self.index.find([text])}


def bench(*texts: str) -> Bench:
    collected = BenchmarkTexts()
    numbers = [collected.add(text) for text in texts]
    assert numbers == list(range(len(texts)))
    return Bench(OverlapIndex.of(collected.words()), texts)


@pytest.fixture(scope="module")
def benchmark_texts() -> Bench:
    return bench(*QUESTIONS, *PASSAGES)


@pytest.mark.parametrize("text", [*QUESTIONS, *PASSAGES])
def test_a_copy_is_exact_whatever_its_case_punctuation_and_layout(benchmark_texts: Bench, text: str) -> None:
    for copy in (text, text.upper(), text.replace(",", " -").rstrip("?."), "\n".join(text.split())):
        assert benchmark_texts.found(copy) == {text: Kind.EXACT}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("text", [*SHORT, QUESTIONS[5]])
def test_what_is_put_around_a_text_for_a_model_does_not_count(wrap: str, text: str) -> None:
    known = bench(*SHORT, *QUESTIONS, *PASSAGES)
    assert known.found(WRAPPED[wrap].format(text)) == {text: Kind.EXACT}


@pytest.mark.parametrize(
    "sentence",
    [
        "I have read a lot about it. {} Thank you.",
        "Dear doctor, {} My mother has it",
        "user {} assistant: it depends on much",
        "Q1\n{}\nIt depends on much.",
        "Tell me {}",
        "The question {} answer It depends on much",
    ],
)
@pytest.mark.parametrize("text", SHORT[1:])
def test_a_short_text_inside_a_longer_one_is_contained(sentence: str, text: str) -> None:
    assert bench(*SHORT, *PASSAGES).found(sentence.format(text)) == {text: Kind.CONTAINMENT}


@pytest.mark.parametrize(
    ("text", "longer"),
    [
        ("What are the symptoms of lupus?", "Tell me: what are the symptoms of lupus nephritis?"),
        ("What are the symptoms of lupus?", "Tell me: what are the symptoms of lupus-like syndromes?"),
        ("Treatment of frozen shoulder", "We report the treatment of frozen shoulder in a dancer."),
        ("Treatment of frozen shoulder", "Early treatment of frozen shoulder. A trial in dancers"),
        ("What is syncope?", "Tell me. What is syncope? Thank you for your time"),
    ],
)
def test_words_of_a_sentence_that_goes_on_are_no_copy(text: str, longer: str) -> None:
    assert bench(text, *PASSAGES).found(longer) == {}


def test_a_stock_phrase_inside_a_longer_text_is_no_copy() -> None:
    phrase = "Colchicine eases most attacks."
    others = [f"Matter{number} of its own." for number in range(200)]
    notes = [f"Note {number}. {phrase} Case{number}." for number in range(COMMON)]
    longer = f"{CLEAN[1]} {phrase}"
    assert bench(phrase, *notes[1:], *others).found(longer) == {phrase: Kind.CONTAINMENT}
    assert bench(phrase, *notes, *others).found(longer) == {}


def test_a_sentence_of_hardly_any_weight_inside_a_longer_text_is_no_copy() -> None:
    answer = "Ask your doctor about it."
    notes = [f"Ask it {number} times, then see a doctor." for number in range(200)]
    assert bench(answer, *PASSAGES).found(f"{CLEAN[1]} {answer}") == {answer: Kind.CONTAINMENT}
    assert bench(answer, *notes, *PASSAGES).found(f"{CLEAN[1]} {answer}") == {}


@pytest.mark.parametrize("text", [*SHORT, *QUESTIONS, *PASSAGES])
def test_invisible_characters_entities_and_tags_do_not_count(text: str) -> None:
    known = bench(*SHORT, *QUESTIONS, *PASSAGES)
    for copy in (
        "\u00ad".join(text),
        text.replace("e", "\u200be").replace(" ", "\ufeff \u2060"),
        text.replace(" ", "&nbsp;").replace("a", "&#97;").replace("o", "&#x6f;"),
        f"<p>{text.replace(' ', ' <b>', 1).replace(' ', '</b> ', 2)}</p><!-- seen -->",
        text.replace(" ", "&lt;br /&gt;"),
    ):
        assert known.found(copy) == {text: Kind.EXACT}


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


@pytest.mark.parametrize("text", [*QUESTIONS, *PASSAGES])
def test_a_copy_with_any_one_word_swapped_is_found(benchmark_texts: Bench, text: str) -> None:
    missed = [
        place for place in range(len(text.split())) if text not in benchmark_texts.found(swapped(text, place))
    ]
    assert missed == []


@pytest.mark.parametrize("text", PASSAGES)
@pytest.mark.parametrize("share", [0.9, 0.5, 0.3])
def test_a_passage_cut_off_is_contained(benchmark_texts: Bench, text: str, share: float) -> None:
    assert benchmark_texts.found(cut(text, share)) == {text: Kind.CONTAINMENT}


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_without_its_last_words_is_found(benchmark_texts: Bench, text: str) -> None:
    assert text in benchmark_texts.found(cut(text, 0.8))


@pytest.mark.parametrize("text", PASSAGES)
def test_a_passage_inside_a_longer_text_is_contained(benchmark_texts: Bench, text: str) -> None:
    assert benchmark_texts.found(f"{CLEAN[3]} {text} {CLEAN[4]}") == {text: Kind.CONTAINMENT}


@pytest.mark.parametrize("text", PASSAGES)
def test_a_passage_with_a_word_in_eleven_changed_is_near(benchmark_texts: Bench, text: str) -> None:
    words = text.split()
    changed = " ".join("otherwise" if place % 11 == 7 else word for place, word in enumerate(words))
    assert benchmark_texts.found(changed) == {text: Kind.NEAR}


def test_a_clean_fixture_gives_none(benchmark_texts: Bench) -> None:
    assert benchmark_texts.index.find(CLEAN) == []
    assert benchmark_texts.index.find([]) == []
    assert benchmark_texts.index.find(["", " … ", "\n"]) == []


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("What are the symptoms of gout?", "What are the symptoms of asthma?"),
        ("How is type 2 diabetes treated?", "How is type 1 diabetes treated?"),
        ("How common is Huntington disease?", "How common is juvenile Huntington disease?"),
        ("Should aspirin be taken before ibuprofen?", "Should ibuprofen be taken before aspirin?"),
        ("Cystic fibrosis", "What is cystic fibrosis?"),
        ("What is syncope?", "Is it syncope?"),
        ("What is syncope?", "What to do for syncope?"),
        ("What are the treatments for Lupus Nephritis?", "What are the treatments for Lupus?"),
        (
            "What are the treatments for Brown-Sequard syndrome?",
            "What are the treatments for Brown syndrome?",
        ),
        ("What are the symptoms of Short Bowel Syndrome?", "What are the symptoms of SHORT syndrome?"),
        ("How to diagnose Anemia in Chronic Kidney Disease?", "How to diagnose Anemia?"),
    ],
)
def test_one_word_that_makes_another_question_is_no_copy(text: str, other: str) -> None:
    assert bench(text, *PASSAGES).found(other) == {}


def test_function_words_make_no_other_question() -> None:
    text = "What are the treatments for renal colic?"
    assert bench(text, *PASSAGES).found("Which are treatments of the renal colic?") == {text: Kind.NEAR}


def test_three_words_are_enough_where_only_function_words_differ() -> None:
    assert bench("What is (are) syncope ?", *PASSAGES).found("What is syncope?") == {
        "What is (are) syncope ?": Kind.NEAR
    }


def test_a_place_that_the_benchmark_itself_fills_in_two_ways_is_a_slot() -> None:
    first = "What is the usual mechanism of resistance to cefepime in hospital strains?"
    other = first.replace("cefepime", "meropenem")
    asked = first.replace("cefepime", "colistin")
    assert bench(first, *PASSAGES).found(asked) == {first: Kind.NEAR}
    assert bench(first, other, *PASSAGES).found(asked) == {}
    assert bench(first, other, *PASSAGES).found(first.replace("usual", "main")) == {first: Kind.NEAR}


def test_of_a_form_filled_in_for_many_only_the_one_with_the_name_is_found() -> None:
    form = (
        "This condition is inherited in an autosomal recessive pattern, which means that both copies of the "
        "gene in each cell have changed, while the parents carry one changed copy each and show no signs."
    )
    names = [
        "alkaptonuria",
        "cystinosis",
        "galactosaemia",
        "homocystinuria",
        "tyrosinaemia",
        "citrullinaemia",
    ]
    names += [
        "argininaemia",
        "sitosterolaemia",
        "oxalosis",
        "fucosidosis",
        "mannosidosis",
        "sialidosis",
        "gout",
    ]
    assert len(names) > COMMON
    many = bench(*(f"{name} {form}" for name in names))
    assert many.found(f"ochronosis {form}") == {}
    assert many.found(swapped(f"oxalosis {form}", 12)) == {f"oxalosis {form}": Kind.CONTAINMENT}
    assert many.found(cut(f"oxalosis {form}", 0.6)) == {f"oxalosis {form}": Kind.CONTAINMENT}


def test_shares_and_jaccard_by_hand() -> None:
    text = " ".join(f"w{number}" for number in range(30))  # 23 runs of eight, 28 of three
    half = (
        " ".join(f"w{number}" for number in range(19)) + " " + " ".join(f"x{number}" for number in range(30))
    )
    [overlap] = bench(text, *PASSAGES).index.find([half])
    assert (overlap.kind, overlap.similarity) == (Kind.CONTAINMENT, pytest.approx(12 / 23))
    less = (
        " ".join(f"w{number}" for number in range(18)) + " " + " ".join(f"x{number}" for number in range(30))
    )
    assert bench(text, *PASSAGES).index.find([less]) == []  # 11 of 23 runs
    edited = text.replace("w7 ", "x ").replace("w15 ", "y ").replace("w23 ", "z ")
    [overlap] = bench(text, *PASSAGES).index.find([edited])
    assert (overlap.kind, overlap.similarity) == (Kind.NEAR, pytest.approx(19 / 37))


def test_benchmarks_of_nothing_or_of_a_word_are_no_trouble() -> None:
    assert bench().index.find([*CLEAN, ""]) == []
    assert bench("Gout", "Which joints?").found("GOUT!") == {"Gout": Kind.EXACT}
    assert bench("Gout", "Which joints?").index.find(CLEAN) == []


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
