"""Each rule of `filter` by itself, on both sides of its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from hypothesis import given
from hypothesis import strategies as st
from pool_material import TOPIC_MODEL, passage, topic_settings, write_run

from medsearch.encoders.registry import load_registry
from pipeline.filters.copying import copied_share, example_similarity
from pipeline.filters.duplicates import Duplicates
from pipeline.filters.form import form
from pipeline.filters.language import LanguageCheck
from pipeline.filters.round_trip import DEPTH, round_trips
from pipeline.filters.rules import RULES, failures
from pipeline.filters.support import Rarity, support
from pipeline.filters.words import Text, Words
from pipeline.pool_search import open_pool_search
from pipeline.recipe import FilterTable, RoundTripSearch
from pipeline.records import QueryKind

WORDS = Words(load_registry(None)["bm25"])
NOTE = "The stone did not pass, so it was removed by ureteroscopy; she took 0.4 mg tamsulosin for 12 days."


def read(text: str) -> Text:
    return WORDS.read(text)


def test_words_numbers_and_masks_are_told_apart() -> None:
    text = read("[NAME] took 0.8mg twice; p16-positive Tumours, Crohn's on [DATE].")
    assert text.words == ("took", "0.8", "mg", "twice", "p16", "positive", "tumours", "crohn", "s", "on")
    assert text.terms == ("took", "0.8", "mg", "twice", "p16", "posit", "tumour", "crohn")
    assert text.masks == 2


def test_stop_words_of_a_question_are_no_content_but_without_is() -> None:
    assert read("What is the management of it?").terms == ("manag",)
    assert read("fever without rash").terms == ("fever", "without", "rash")


FORMS = [
    ("stent", {"words": 1, "content_words": 1}),
    ("-- ??? ...", {"words": 0, "content_words": 0, "mask_share": 0, "distinct_share": 1}),
    ("[NAME] [DATE] stent", {"words": 3, "mask_share": 2 / 3}),
    ("pain pain pain pain toe", {"distinct_share": 2 / 5}),
    ("Here is a query: gout", {"boilerplate": 1}),
    ("where is all the texture", {"boilerplate": 0}),
]


@pytest.mark.parametrize(("query", "expected"), FORMS)
def test_form(query: str, expected: dict[str, float]) -> None:
    measured = form(query, read(query), ("here is", "the text"))
    assert {name: measured[name] for name in expected} == pytest.approx(expected)


COPIES = [
    ("The stone did not pass, so it was removed by ureteroscopy", 1.0),
    ("ureteroscopy removed stone", 0.0),  # three words: what a person types
    ("stone did not pass so it", 1.0),  # six words in one run
    ("stone did not pass so", 0.0),  # five are too few to tell
    ("How long did she take tamsulosin for the stone in days?", 2 / 11),
    ("stone forceps pass removed ureteroscopy took 0.4 tamsulosin", 7 / 8),  # a word put in between
]


@pytest.mark.parametrize(("query", "share"), COPIES)
def test_copied_share(query: str, share: float) -> None:
    assert copied_share(read(query), read(NOTE), min_words=6) == pytest.approx(share)


def test_content_words_far_apart_are_no_copy() -> None:
    query = read("fever cough rash pain stroke anaemia")
    near = read("fever and cough with rash, then pain; a stroke with anaemia")
    spread = read(" and later on the ward seen many times ".join(query.words))
    assert copied_share(query, near, min_words=6) == 1.0
    assert copied_share(query, spread, min_words=6) < 0.5


EXAMPLES = tuple(
    read(text)
    for text in (
        "Can sertraline cause low sodium?",
        "His sodium fell to 118 mmol/l after weeks on sertraline.",
    )
)
LEAKS = [
    ("Can sertraline cause low sodium?", NOTE, 1.0),
    ("Can sertraline cause low sodium?", "Sodium was low after sertraline, a known cause of it.", 1.0),
    ("sertraline sodium", "Sodium was low after sertraline.", 2 / 4),  # the note's own subject
    ("tamsulosin after sertraline", NOTE, 1 / 2),
    ("tamsulosin stone", NOTE, 0.0),
    ("what is it", NOTE, 0.0),
]


@pytest.mark.parametrize(("query", "note", "similarity"), LEAKS)
def test_example_similarity(query: str, note: str, similarity: float) -> None:
    assert example_similarity(read(query), read(note), EXAMPLES) == pytest.approx(similarity)


def test_without_examples_nothing_leaks() -> None:
    assert example_similarity(read("Can sertraline cause low sodium?"), read(NOTE), ()) == 0.0


def kept(*queries: str, kind: QueryKind = QueryKind.QUESTION, threshold: float = 0.8) -> Duplicates:
    duplicates = Duplicates(threshold)
    for query in queries:
        duplicates.add(read(query), kind)
    return duplicates


def test_exact_duplicates_ignore_case_and_punctuation_but_not_order() -> None:
    duplicates = kept("Is gout painful?")
    assert duplicates.measure(read("is GOUT painful"), QueryKind.KEYWORD)["exact_duplicate"] == 1
    assert duplicates.measure(read("painful is gout"), QueryKind.QUESTION)["exact_duplicate"] == 0


NEAR = [
    ("What is the treatment for hypertension?", 1.0),
    ("What is the treatment of hypotension?", 0.0),  # 1 of 3 words: LSH does not find it near
    ("How is the treatment of arterial hypertension begun?", 0.0),
    ("What is it?", 0.0),
]


@pytest.mark.parametrize(("query", "jaccard"), NEAR)
def test_near_duplicates_are_of_the_same_content(query: str, jaccard: float) -> None:
    measured = kept("What is the treatment of hypertension?").measure(read(query), QueryKind.MANAGEMENT)
    assert measured["duplicate_jaccard"] == pytest.approx(jaccard)


def test_a_template_with_another_disease_is_no_duplicate() -> None:
    duplicates = kept("What are the recommended follow-up steps for a patient with asthma?")
    other = read("What are the recommended follow-up steps for a patient with gout?")
    checks = duplicates.measure(other, QueryKind.QUESTION)
    assert not failures(checks, FilterTable())


@given(st.sets(st.sampled_from([f"term{n}x" for n in range(12)]), min_size=5, max_size=12), st.data())
def test_lsh_misses_no_query_above_the_threshold(terms: set[str], data: st.DataObject) -> None:
    fewer = data.draw(st.sets(st.sampled_from(sorted(terms)), min_size=len(terms) - 1))
    jaccard = len(fewer) / len(terms)
    one, other = (Text(tuple(sorted(words)), tuple(sorted(words)), 0) for words in (terms, fewer))
    duplicates = Duplicates(0.75)
    duplicates.add(one, QueryKind.QUESTION)
    assert duplicates.measure(other, QueryKind.QUESTION)["duplicate_jaccard"] == pytest.approx(jaccard)


def test_support_and_what_is_made_up() -> None:
    pool = [read("common words of all notes") for _ in range(99)] + [read(NOTE)]
    rarity = Rarity.of(pool, 0.01)
    measured = support(read("common stone after 14 days of warfarin"), read(NOTE), rarity)
    # Content: common, stone, 14, day, warfarin; rare: all but common; the note has stone and days.
    assert measured == {
        "lexical_support": pytest.approx(2 / 5),
        "rare_words": 4,
        "ungrounded": pytest.approx(2 / 4),
    }
    assert support(read("what is it"), read(NOTE), rarity) == {
        "lexical_support": 0,
        "rare_words": 0,
        "ungrounded": 0,
    }


def test_a_word_in_just_so_many_passages_is_rare_and_one_more_is_not() -> None:
    pool = (
        [read("gout") for _ in range(2)] + [read("asthma") for _ in range(3)] + [read("x") for _ in range(95)]
    )
    rarity = Rarity.of(pool, 0.02)
    assert rarity.rare("gout")
    assert not rarity.rare("asthma")
    assert rarity.rare("never seen")
    assert rarity.rare("118")


ENGLISH = (
    "carcinoma in situ pancreas",
    "status post appendectomy",
    "chest pain after eating",
    "BRCA1 5382insC",
)
OTHERS = (
    "dolor torácico después de comer",
    "Wie wird Gicht behandelt?",
    "trattamento della gotta nel bambino",
)


def test_latin_terms_are_english_enough_and_other_languages_are_not() -> None:
    check = LanguageCheck.of(["en"])
    least = FilterTable().language_confidence
    assert [text for text in ENGLISH if check.confidence(text) < least] == []
    assert [text for text in OTHERS if check.confidence(text) >= least] == []
    assert LanguageCheck.of(["en", "de"]).confidence(OTHERS[1]) > 0.9
    assert check.confidence("[NAME] 12/14") == 1.0


def test_round_trip_ranks_leave_out_the_documents_own_other_passages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())
    pool = [
        passage("a1", "heart heart heart", "a"),
        passage("a2", "heart and chest", "a"),
        passage("b1", "heart and cough and fever at home", "b"),
        passage("c1", "insulin for sugar", "c"),
    ]
    search = open_pool_search(write_run(tmp_path / "r", pool), TOPIC_MODEL, topic_settings(tmp_path), Heard())
    right, wrong = round_trips(search, ["heart", "heart"], [1, 3])
    assert right["dense_rank"] == right["bm25_rank"] == right["hybrid_rank"] == 1
    assert right["dense_margin"] == pytest.approx(
        right["dense_support"] - search.scores(search.query_vectors(["heart"])[0], [2])[0], abs=1e-6
    )
    assert right["dense_margin"] > 0 > wrong["dense_margin"]
    assert (wrong["dense_rank"], wrong["bm25_rank"]) == (4, DEPTH + 1)


LIMITS = [
    ("length", "words", 2, 1),
    ("length", "words", 40, 41),
    ("no content", "content_words", 1, 0),
    ("masks", "mask_share", 0.34, 0.35),
    ("repeated words", "distinct_share", 0.6, 0.59),
    ("boilerplate", "boilerplate", 0, 1),
    ("low relevance", "relevance", 3, 2),
    ("language of the query", "language", 0.05, 0.049),
    ("language of the passage", "passage_language", 0.05, 0.049),
    ("copy of the passage", "copied", 0.8, 0.81),
    ("from the prompt's examples", "example_similarity", 0.7, 0.71),
    ("exact duplicate", "exact_duplicate", 0, 1),
    ("near duplicate", "duplicate_jaccard", 0.8, 0.81),
    ("lexical support", "lexical_support", 0.3, 0.29),
    ("ungrounded words", "ungrounded", 0.5, 0.51),
    ("dense support", "dense_support", 0.4, 0.39),
    ("round trip, hybrid", "hybrid_rank", 10, 11),
    ("round trip, dense", "dense_rank", 10, 11),
    ("round trip, bm25", "bm25_rank", 10, 11),
    ("round trip, margin", "dense_margin", -0.1, -0.11),
]
STRICT = FilterTable(
    min_lexical_support=0.3,
    max_ungrounded=0.5,
    min_dense_support=0.4,
    round_trip_margin=-0.1,
    round_trip_searches=tuple(RoundTripSearch),
)


@pytest.mark.parametrize(("rule", "check", "kept_value", "dropped_value"), LIMITS)
def test_what_equals_a_threshold_is_kept(
    rule: str, check: str, kept_value: float, dropped_value: float
) -> None:
    assert failures({check: kept_value}, STRICT) == {}
    assert list(failures({check: dropped_value}, STRICT)) == [rule]


def test_every_rule_has_its_limits_tested() -> None:
    assert {rule.name for rule in RULES} == {row[0] for row in LIMITS}


def test_a_rule_that_is_not_asked_for_drops_nothing() -> None:
    checks = {"dense_rank": 101, "bm25_rank": 101, "dense_margin": -1, "lexical_support": 0, "ungrounded": 1}
    assert failures({**checks, "dense_support": -1}, FilterTable()) == {}


def test_rules_are_tried_cheap_ones_first() -> None:
    costly = [rule.costly for rule in RULES]
    assert costly == sorted(costly)
    assert failures({"hybrid_rank": 50}, FilterTable(), costly=False) == {}
