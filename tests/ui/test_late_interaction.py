"""Late interaction on the page: what can be chosen, how it is called and explained, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import BM25_SPEC, topic_spec
from late_fakes import WordEncoder, maxsim, word_spec
from page_reader import ask, by_class, shown, text_of, titles
from streamlit.testing.v1 import AppTest

from medsearch.types import ModelSpec
from ui.labels import method_label
from ui.model_facts import facts_of

Open = Callable[[], AppTest]
OVER_HYBRID = "Word by word (late), among the best 100 by meaning + words (topics)"
ALONE = "Word by word (late), in all passages"


def choose(at: AppTest, label: str, option: str) -> None:
    next(box for box in at.selectbox if box.label == label).select(option)


def test_it_can_be_chosen_where_the_index_has_it_and_is_not_the_default(
    late: Path, search_page: Open
) -> None:
    [box] = [box for box in search_page().selectbox if box.label == "Search by"]
    assert box.options == [
        "Meaning + words (hybrid, topics)",
        "Meaning (topics)",
        "Words (BM25)",
        OVER_HYBRID,
        ALONE,
    ]
    assert box.value == "hybrid:topics"


@pytest.mark.parametrize("option", [OVER_HYBRID, ALONE])
def test_what_it_finds_is_in_the_order_of_maxsim_and_its_score_is_explained(
    late: Path, search_page: Open, option: str
) -> None:
    at = search_page()
    choose(at, "Search by", option)
    tree = ask(at, "every breath hurts")
    assert not at.error
    assert titles(tree)[0] == "Asthma and cough"
    tips = [text_of(tip) for tip in by_class(tree, "ms-tip")]
    scores = [float(tip.split()[1].partition("Each")[0]) for tip in tips]
    assert scores == sorted(scores, reverse=True)
    text = "Asthma and cough\nThe lung hurts: pain with every cough and every breath."
    [query], [document] = (
        WordEncoder().encode_queries(["every breath hurts"]),
        WordEncoder().encode_documents([text]),
    )
    assert scores[0] == pytest.approx(maxsim(query, document), abs=0.02)
    assert (
        "Each word of your question looks for the word of the passage that is nearest in meaning" in tips[0]
    )
    assert "Long questions" not in tips[0], "not so where every question is given as many tokens"
    assert "it does not say how true, complete or safe the text is" in tips[0]


def test_it_is_compared_openly(late: Path, compare_page: Open) -> None:
    at = compare_page()
    assert [box.value for box in at.selectbox if "side" in box.label] == ["hybrid:topics", "bm25"]
    choose(at, "Right side", OVER_HYBRID)
    tree = ask(at, "insulin glucose")
    assert titles(by_class(tree, "ms-right")[0])[0] == "Insulin"
    [section] = by_class(shown(at), "ms-models")
    headings = [text_of(heading) for heading in section.iter("h3")]
    hybrid = ["Meaning: topics", "Words: bm25", "How they are joined"]
    assert headings == [*hybrid, "Word by word: late", *hybrid, "How it is put in a new order"]
    rows = [(text_of(row[0]), text_of(row[1])) for row in section.iter("div") if row[0].tag == "dt"]
    for row in (
        ("Put before a question", "“[Q]”"),
        ("Vectors", "about one for 2 tokens of a document"),
        ("Reads at most", "96 tokens"),
        ("Put in a new order", "the best 100 documents, each by the passage that was found"),
    ):
        assert row in rows


@pytest.mark.parametrize(
    ("name", "label", "headings"),
    [
        ("rerank:words:bm25", "Word by word (words), among the best 100 by words (BM25)", 3),
        ("rerank:words:topics", "Word by word (words), among the best 100 by meaning (topics)", 3),
        ("words", "Word by word (words), in all passages", 1),
    ],
)
def test_every_way_of_it_has_a_name_and_its_facts(name: str, label: str, headings: int) -> None:
    models: dict[str, ModelSpec] = {"bm25": BM25_SPEC, "topics": topic_spec(), "words": word_spec()}
    assert method_label(name, models) == label
    facts = facts_of(name, models)
    assert len(facts) == headings
    assert ("Vectors", "one for each token") in facts[0][1]
