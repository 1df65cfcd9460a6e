"""The Compare view: two rankings of the hostile corpus side by side, by encoders of opposite minds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hostile_corpus import SCRIPT
from lxml import html
from page_reader import ask, by_class, shown, text_of, titles
from streamlit.testing.v1 import AppTest

from medsearch.cli.main import main

Open = Callable[[], AppTest]
ALL = 5


def choose(at: AppTest, left: str, right: str) -> AppTest:
    for box, label in zip([b for b in at.selectbox if "side" in b.label], (left, right), strict=True):
        box.select(label)
    return at


def sides(tree: html.HtmlElement) -> tuple[list[html.HtmlElement], list[html.HtmlElement]]:
    [left], [right] = by_class(tree, "ms-left"), by_class(tree, "ms-right")
    return by_class(left, "ms-card"), by_class(right, "ms-card")


def test_two_dense_models_are_compared_first(models: Path, compare_page: Open) -> None:
    at = compare_page()
    assert [box.value for box in at.selectbox] == ["topics", "contrary"]
    assert at.selectbox[0].options == [
        "Meaning + words (hybrid, topics)",
        "Meaning + words (hybrid, contrary)",
        "Meaning (topics)",
        "Meaning (contrary)",
        "Words (BM25)",
    ]
    assert "Not a medical device." in text_of(shown(at))
    assert [info.value for info in at.info] == ["Type a question above to see what each side finds for it."]


def test_ranks_are_linked_both_ways(models: Path, compare_page: Open) -> None:
    tree = ask(compare_page(), "insulin glucose")
    left, right = sides(tree)
    assert len(left) == len(right) == ALL
    assert titles(by_class(tree, "ms-left")[0])[0] == "Insulin"
    assert titles(by_class(tree, "ms-right")[0])[-1] == "Insulin"
    first, last = left[0], right[-1]
    for card, here, there, target in ((first, 1, ALL, "right-5"), (last, ALL, 1, "left-1")):
        [link] = by_class(card, "ms-there")
        assert text_of(link).startswith(f"{here} here, {there} there")
        assert link.get("href") == f"#{target}"
        assert f"{ALL - 1} {'lower' if here == 1 else 'higher'} there" in text_of(link)
    assert set(first.classes) & set(last.classes) >= {"ms-pair-1"}
    for card in left + right:
        [link] = by_class(card, "ms-there")
        [target] = tree.xpath(f"//*[@id='{str(link.get('href'))[1:]}']")
        assert titles(card.getparent()) == titles(target.getparent())
    assert by_class(tree, "ms-only-here") == []
    assert len(by_class(tree, "ms-lines")[0]) == ALL
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_what_only_one_side_found_is_marked_and_counted(models: Path, compare_page: Open) -> None:
    at = choose(compare_page(), "Words (BM25)", "Meaning (topics)")
    tree = ask(at, "insulin")
    left, right = sides(tree)
    assert (len(left), len(right)) == (1, ALL)
    assert (
        text_of(by_class(tree, "ms-summary")[0])
        == "1 of 5 in common, 0 only on the left, 4 only on the right."
    )
    assert by_class(left[0], "ms-only-here") == []
    assert [len(by_class(card, "ms-only-here")) for card in right] == [0, 1, 1, 1, 1]
    assert ["ms-only" in card.classes for card in right] == [False, True, True, True, True]
    assert "the same rank" in text_of(left[0])


def test_a_side_that_finds_nothing_says_so(models: Path, compare_page: Open) -> None:
    tree = ask(choose(compare_page(), "Words (BM25)", "Meaning (topics)"), "zebra")
    assert text_of(by_class(tree, "ms-left")[0]) == "Nothing found on this side."
    assert len(by_class(by_class(tree, "ms-right")[0], "ms-card")) == ALL


def test_every_setting_that_could_explain_a_difference_is_shown(models: Path, compare_page: Open) -> None:
    tree = shown(choose(compare_page(), "Meaning + words (hybrid, topics)", "Meaning (contrary)").run())
    [section] = by_class(tree, "ms-models")
    rows = [(text_of(row[0]), text_of(row[1])) for row in section.iter("div") if row[0].tag == "dt"]
    assert ("Revision", "1") in rows
    assert ("Revision", "sha256.0123456789ab") in rows
    assert ("Put before a question", "nothing") in rows
    assert ("Put before a question", "“find <u>this</u>:”") in rows
    assert {("Pooling", "mean"), ("Pooling", "cls")} <= set(rows)
    assert {("Reads at most", "64 tokens"), ("Reads at most", "128 tokens")} <= set(rows)
    assert {("Dimensions", "5"), ("k1 (repeated words)", "1.2"), ("Constant k", "60")} <= set(rows)
    said = text_of(section[0])
    assert re.match(r"Both sides search the same 5 passages \(cut at \d+ tokens .*\) of 5 documents", said)


def test_documents_are_text_here_too(models: Path, compare_page: Open) -> None:
    at = compare_page()
    tree = ask(at, "chest pain")
    for side in ("ms-left", "ms-right"):
        texts = [text_of(card) for card in by_class(by_class(tree, side)[0], "ms-card")]
        assert any(SCRIPT in text for text in texts)
        assert any(text.count("Document un<i>titled</i>") for text in texts)
        assert any("Retraction." in text for text in texts)
    assert not at.markdown
    assert dict(at.query_params) == {}


def test_one_way_twice_agrees_and_is_explained(words: Path, compare_page: Open) -> None:
    at = compare_page()
    tree = ask(at, "pain")
    [hint] = at.info
    assert "in one way only" in hint.value
    assert "`medsearch index tiny --models minilm,bm25`" in hint.value
    said = text_of(by_class(tree, "ms-summary")[0])
    assert said == "Both sides found the same 3 documents in the same order."
    assert titles(by_class(tree, "ms-left")[0]) == titles(by_class(tree, "ms-right")[0])


def test_the_same_choice_on_both_sides_asks_for_another(models: Path, compare_page: Open) -> None:
    at = choose(compare_page(), "Words (BM25)", "Words (BM25)").run()
    assert "Choose another way on one side." in at.info[0].value


def test_a_model_added_to_the_index_can_be_chosen_without_a_restart(
    own_copy: Path, compare_page: Open
) -> None:
    at = compare_page()
    assert at.selectbox[0].options == ["Words (BM25)"]
    assert main(["index", "tiny", "--models", "topics,bm25", "--json"]) == 0
    at.run()
    assert at.selectbox[0].options == ["Meaning + words (hybrid, topics)", "Meaning (topics)", "Words (BM25)"]
    tree = ask(at, "glucose")
    assert titles(by_class(tree, "ms-left")[0])[0] == "Insulin"


def test_without_an_index_and_with_a_changed_one_it_says_what_to_do(
    own_copy: Path, compare_page: Open
) -> None:
    (own_copy / "data" / "tiny" / "corpus.jsonl").write_text('{"_id": "a", "text": "other"}\n')
    at = compare_page()
    shown(at)
    assert re.search(r"`medsearch index tiny [^`]*--rebuild`", at.error[0].value)
    (own_copy / "index").rename(own_copy / "away")
    at.run()
    shown(at)
    assert "`medsearch index sample`" in at.info[0].value
