"""Overlap of texts with a benchmark's: what is found, and what is not."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from overlap_material import CLEAN, PASSAGES, QUESTIONS, SHORT, WRAPPED, cut, swapped

from medsearch.evaluation.overlap.containment import COMMON
from medsearch.evaluation.overlap.found import Kind
from medsearch.evaluation.overlap.index import BenchmarkTexts, OverlapIndex


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
