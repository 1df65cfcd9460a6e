"""Where two runs disagree: the order of queries, what moved, traits of queries, and groups."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from disagreement_material import tiny_collection, write_corpus, write_results
from fakes import Heard
from hypothesis import given
from hypothesis import strategies as st

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.query_traits import document_frequencies, kind_of, traits_of, words_of
from medsearch.evaluation.results import read_results
from medsearch.settings import Settings
from medsearch.types import Collection, Document, Query
from medsearch.workbench.disagreement import (
    MOVED,
    Disagreement,
    Disagreements,
    Moved,
    Split,
    disagreements,
    moved_most,
)
from medsearch.workbench.result_pairs import collection_of, find_pair


@pytest.fixture
def found(tmp_path: Path) -> Disagreements:
    pair = find_pair(read_results(write_results(tmp_path)), "first", "other", None)
    return disagreements(*pair, tiny_collection())


def test_queries_come_from_nothing_shared_to_the_same_ranking(found: Disagreements) -> None:
    assert [one.query.query_id for one in found.queries] == ["q-none", "q-swap", "q-same"]
    assert [one.rbo for one in found.queries] == pytest.approx([0.0, 0.9, 1.0])
    assert (found.task, found.a, found.b) == ("tiny:test", "first", "other")
    assert found.marks == {"first": (), "other": ("forced",)}


def test_scores_are_those_of_the_results_and_the_difference_is_b_less_a(found: Disagreements) -> None:
    swap = found.queries[1]
    assert (swap.a, swap.b) == pytest.approx((1.0, 1 / math.log2(3)))
    assert swap.difference == pytest.approx(1 / math.log2(3) - 1)


def test_what_moved_has_both_ranks_and_the_grade(found: Disagreements) -> None:
    nothing_shared, swap, same = found.queries
    assert swap.moved == (Moved("d1", 1, 2, 1), Moved("d5", 2, 1, 0))
    assert nothing_shared.moved == (
        Moved("d2", 1, None, 2),
        Moved("d4", None, 1, None),
        Moved("d5", 2, None, None),
    )
    assert same.moved == ()


@given(st.permutations([f"d{n}" for n in range(14)]), st.permutations([f"d{n}" for n in range(14)]))
def test_no_document_that_is_not_shown_moved_further(first: list[str], second: list[str]) -> None:
    def jump(doc_id: str) -> float:
        return abs(0.9 ** first.index(doc_id) - 0.9 ** second.index(doc_id))

    moved = [one.doc_id for one in moved_most(first, second, {})]
    unshown = [doc_id for doc_id in {*first[:10], *second[:10]} if doc_id not in moved]
    assert len(moved) <= MOVED
    assert all(jump(doc_id) > 0 for doc_id in moved)
    assert max(map(jump, unshown), default=0.0) <= min(map(jump, moved), default=0.0) + 1e-12


def test_every_split_has_each_query_once_and_its_means(found: Disagreements) -> None:
    for split in Split:
        groups = found.groups(split)
        assert sum(group.queries for group in groups) == 3
        total = sum(group.queries * group.difference for group in groups)
        assert total == pytest.approx(sum(one.difference for one in found.queries))
        assert [group.name for group in groups] == sorted(group.name for group in groups)
        assert all(group.ci is None for group in groups)  # too few queries to say
    assert [group.name for group in found.groups(Split.KIND)] == ["keyword", "question", "statement"]
    [negated, plain] = found.groups(Split.NEGATION)
    assert (negated.name, negated.queries, negated.rbo) == ("with negation", 1, pytest.approx(0.9))
    assert (plain.queries, plain.rbo) == (2, pytest.approx(0.5))


def test_a_group_of_ten_has_an_interval_around_its_difference() -> None:
    queries = tuple(_one(number, gain) for number, gain in enumerate([0.1, 0.2, 0.3, 0.4, 0.5] * 2))
    [group] = Disagreements("t:test", "a", "b", queries, {}).groups(Split.KIND)
    assert group.ci is not None
    assert group.ci[0] < group.difference < group.ci[1]
    assert group.difference == pytest.approx(0.3)


def _one(number: int, gain: float) -> Disagreement:
    query = Query(f"q{number}", "chest pain")
    return Disagreement(query, 0.5, 0.2, 0.2 + gain, traits_of(query, {}, 1), ())


def _asked(query: Query, counts: dict[str, int]) -> Disagreement:
    return Disagreement(query, 0.5, 0.2, 0.3, traits_of(query, counts, 30), ())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("chest pain after eating", "keywords"),
        ("What is angina", "question"),
        ("warfarin: is it safe?", "question"),
        ("Can aspirin be stopped", "question"),
        ("She has pain in the chest", "statement"),
        ("", "keywords"),
    ],
)
def test_kinds_of_queries(text: str, kind: str) -> None:
    assert kind_of(Query("q", text)) == kind
    assert kind_of(Query("q", text, {"kind": "keyword"})) == "keyword"
    assert kind_of(Query("q", text, {"kind": ("a", "b")})) == kind


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        ("pain without fever, no cough", ("without", "no")),
        ("Why doesn\N{RIGHT SINGLE QUOTATION MARK}t it heal", ("doesn\N{RIGHT SINGLE QUOTATION MARK}t",)),
        ("No, no and NOT", ("no", "not")),
        ("pulmonary embolism ruled out", ("ruled out",)),
        ("free of pain", ("free of",)),
        ("nodule of the thyroid, note of 2019, free T4", ()),
        ("non-small cell lung cancer", ()),
    ],
)
def test_negation_is_told_by_whole_words(text: str, cues: tuple[str, ...]) -> None:
    assert traits_of(Query("q", text), {}, 1).negation == cues


@pytest.mark.parametrize(
    ("words", "band"),
    [
        (1, "1 to 3 words"),
        (3, "1 to 3 words"),
        (4, "4 to 8 words"),
        (8, "4 to 8 words"),
        (9, "9 to 20 words"),
        (20, "9 to 20 words"),
        (21, "over 20 words"),
    ],
)
def test_bands_of_length(words: int, band: str) -> None:
    assert traits_of(Query("q", "pain " * words), {}, 1).length == band


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It isn't Crohn's", ["it", "isn't", "crohn"]),
        ("I don\N{RIGHT SINGLE QUOTATION MARK}t know", ["i", "don't", "know"]),
        ("beta-blockers' dose 'now'", ["beta", "blockers", "dose", "now"]),
    ],
)
def test_an_apostrophe_leaves_no_stub_of_a_word(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_function_words_contractions_and_numbers_are_never_rare() -> None:
    query = Query("q", "Why isn't what I was given without 2019 helping Crohn's?")
    traits = traits_of(query, {}, 1000)
    assert traits.rare == ("helping", "crohn")
    assert traits.rarity == 1.0  # no document has either
    assert traits_of(Query("q", "what is it, and why?"), {}, 1000).rarity == 0.0


def test_rarity_goes_from_words_that_all_documents_have_to_words_that_none_has() -> None:
    counts = {"pain": 999, "angina": 31}
    common, middle, absent = (
        traits_of(Query("q", text), counts, 999).rarity for text in ("pain", "angina", "sarcoidosis")
    )
    assert (common, absent) == (pytest.approx(0.0), 1.0)
    assert middle == pytest.approx(1 - math.log(32) / math.log(1000))  # log of (n + 1) over (N + 1)
    both = traits_of(Query("q", "angina pain, pain"), counts, 999).rarity
    assert both == pytest.approx(middle / 2)  # each word once


@given(st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=2, max_size=30))
def test_queries_are_parted_in_the_middle_by_how_rare_their_words_are(queries: list[set[int]]) -> None:
    """In a corpus of 30 documents, where a word in at most 0.1 % of them is in none or one."""
    counts = {f"word{number}": number for number in range(31)}
    texts = [" ".join(f"word{number}" for number in sorted(words)) for words in queries]
    found = tuple(_asked(Query(str(n), text), counts) for n, text in enumerate(texts))
    groups = Disagreements("t:test", "a", "b", found, {}).grouped(Split.RARE)
    rarer, commoner = (
        [one.traits.rarity for one in groups.get(name, [])]
        for name in ("of rarer words", "of commoner words")
    )
    assert len(rarer) <= len(found) / 2
    assert max(commoner) < min(rarer, default=2.0)
    if len({one.traits.rarity for one in found}) == len(found):
        assert len(rarer) == len(found) // 2


def test_rare_words_are_those_of_few_documents() -> None:
    query = Query("q", "Heart-block, ECG 2019 of sarcoidosis heart")
    assert words_of(query.text) == ["heart", "block", "ecg", "2019", "of", "sarcoidosis", "heart"]
    documents = [Document(str(n), "Heart", "A block." if n < 3 else "") for n in range(2000)]
    counts = document_frequencies([query], documents)
    assert counts == {"heart": 2000, "block": 3}
    # 0.1 % of 2,000 documents are 2; numbers and words of two letters are never called rare.
    assert traits_of(query, counts, 2000).rare == ("ecg", "sarcoidosis")
    assert traits_of(query, counts, 3000).rare == ("block", "ecg", "sarcoidosis")
    assert traits_of(Query("q", "block"), {"block": 1}, 10).rare == ("block",)


def test_a_pair_of_results_is_found_or_it_is_said_what_there_is(tmp_path: Path) -> None:
    write_results(tmp_path)
    results = read_results(tmp_path)
    assert [result.retriever for result in find_pair(results, "other", "first", "tiny:test")] == [
        "other",
        "first",
    ]
    with pytest.raises(UsageError, match="no result on the task 'tiny:dve'; did you mean tiny:test"):
        find_pair(results, "first", "other", "tiny:dve")
    with pytest.raises(UsageError, match=r"no result of 'firts'.*did you mean first"):
        find_pair(results, "firts", "other", None)
    with pytest.raises(UsageError, match="--a and --b are both first: it ranks as it does itself"):
        find_pair(results, "first", "first", None)
    write_results(tmp_path, split="dev")
    with pytest.raises(UsageError, match="name a task with --task: tiny:dev, tiny:test"):
        find_pair(read_results(tmp_path), "first", "other", None)
    other = (tmp_path / "tiny.test.first.json").read_text("utf-8").replace('"exact"', '"approximate"')
    (tmp_path / "copy.json").write_text(other, encoding="utf-8")
    with pytest.raises(MedsearchError, match="first has two results that differ in search"):
        find_pair(read_results(tmp_path), "first", "other", "tiny:test")


def test_runs_without_a_common_query_of_the_collection_are_refused(tmp_path: Path) -> None:
    pair = find_pair(read_results(write_results(tmp_path)), "first", "other", None)
    with pytest.raises(MedsearchError, match="no query in common on tiny:test"):
        disagreements(*pair, Collection("tiny", "test", (), (), {}))


def test_a_corpus_that_changed_since_is_said(tmp_path: Path) -> None:
    write_corpus(tmp_path / "data" / "tiny")
    settings = Settings((tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None)
    heard = Heard()
    pair = find_pair(read_results(write_results(tmp_path / "old", corpus_hash="0")), "first", "other", None)
    assert len(collection_of(pair, settings, heard).documents) == 5
    assert heard.lines == [
        "warning: tiny has changed since tiny.test.first.json was made",
        "warning: tiny has changed since tiny.test.other.json was made",
    ]
    heard = Heard()
    pair = find_pair(read_results(write_results(tmp_path / "new")), "first", "other", None)
    found = disagreements(*pair, collection_of(pair, settings, heard))
    assert (heard.lines, len(found.queries)) == ([], 3)


def test_a_hub_task_is_loaded_by_its_name_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mteb itself is stood in for: importing it takes seconds, and its loading is tested with its suite."""
    asked: list[tuple[str, ...]] = []

    def load(name: str, split: str) -> SimpleNamespace:
        asked.append((name, split))
        return SimpleNamespace(task="the task", corpus=f"mteb:{name}", subset="english", split=split)

    def collection(*facts: str) -> Collection:
        asked.append(facts)
        return tiny_collection()

    monkeypatch.setattr("medsearch.workbench.hub.tasks.load_hub_task", load)
    stand_in = SimpleNamespace(collection_of=collection)
    monkeypatch.setitem(sys.modules, "medsearch.evaluation.mteb_tasks", stand_in)
    named = [
        replace(result, corpus="mteb:PublicHealthQA/english")
        for result in read_results(write_results(tmp_path))
    ]
    pair = find_pair(named, "first", "other", "mteb:PublicHealthQA/english:test")
    settings = Settings((tmp_path,), tmp_path / "index", tmp_path / "cache", None)
    assert collection_of(pair, settings, Heard()) == tiny_collection()
    name = "PublicHealthQA/english"
    assert asked == [(name, "test"), ("the task", f"mteb:{name}", "english", "test")]
