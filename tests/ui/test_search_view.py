"""The Search view: what it shows of hostile documents, its filters, and what it says when it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_corpus import ADDRESS, BIDI, DOCUMENTS, IMAGE, MARKDOWN, NOTE, SCRIPT, write_corpus
from page_reader import ask, by_class, literal, marked_words, shown, text_of, titles
from streamlit.testing.v1 import AppTest

from medsearch.cli.main import main

Open = Callable[[], AppTest]
UNTITLED = "Document un<i>titled</i>"


def index(*options: str) -> None:
    assert main(["index", "tiny", "--models", "bm25", "--json", *options]) == 0


def test_an_empty_start_offers_examples_that_fill_the_box(words: Path, search_page: Open) -> None:
    at = search_page()
    tree = shown(at)
    assert by_class(tree, "ms-card") == []
    assert "Not a medical device." in text_of(by_class(tree, "ms-banner")[0])
    assert "Collection tiny: 5 documents" in text_of(tree)
    at.button(key="example-0").click().run()
    assert at.text_input(key="query").value == "chest pain after eating"
    assert titles(shown(at))[0].startswith("Chest pain")
    assert not [button for button in at.button if (button.key or "").startswith("example")]


def test_a_query_gives_cards_in_order_with_the_matched_words_marked(words: Path, search_page: Open) -> None:
    tree = ask(search_page(), "  CHEST pains ")
    # "twice" has both words, and twice; "retracted" is shorter than "once", so BM25 ranks it before.
    assert titles(tree) == [f"Chest pain {SCRIPT}", "Asthma and cough", MARKDOWN]
    assert [text_of(rank) for rank in by_class(tree, "ms-rank")] == ["Result 1", "Result 2", "Result 3"]
    assert "The best 3 documents" in text_of(by_class(tree, "ms-count")[0])
    first, second, _ = by_class(tree, "ms-card")
    assert marked_words(first) == {"chest", "pain"}
    assert marked_words(second) == {"pain"}
    assert text_of(by_class(first, "ms-why")[0]) == "Words in common: chest, pain"
    assert "Not a medical device." in text_of(tree)


def test_every_letter_of_a_document_is_shown_and_none_is_obeyed(words: Path, search_page: Open) -> None:
    at = search_page()
    tree = ask(at, "chest pain rash")
    first, *others = by_class(tree, "ms-card")
    excerpt = text_of(by_class(first, "ms-excerpt")[0])
    assert excerpt == DOCUMENTS[0]["text"]
    assert all(hostile in excerpt for hostile in (IMAGE, MARKDOWN, BIDI))
    assert text_of(by_class(first, "ms-fact-source")[0]) == "Source: Ward <b>5</b>"
    assert by_class(first, "ms-excerpt")[0].get("dir") == "auto"  # keeps reversed writing inside
    assert UNTITLED in titles(tree)
    assert any(SCRIPT in text_of(card) for card in others)
    everything = "".join(part.value for part in at.get("html"))
    assert not re.search(r"<(script|img|b>|i>)", everything)
    assert not at.markdown


def test_only_web_addresses_become_links_that_tell_the_other_site_nothing(
    words: Path, search_page: Open
) -> None:
    tree = ask(search_page(), "pain")
    [link] = [a for card in by_class(tree, "ms-card") for a in card.iter("a")]
    assert link.get("href") == ADDRESS
    assert set((link.get("rel") or "").split()) == {"noopener", "noreferrer"}
    assert link.get("target") == "_blank"
    assert "Open at example.org" in text_of(link)


def test_a_retraction_stands_before_the_text_and_the_demonstration_note_below(
    words: Path, search_page: Open
) -> None:
    tree = ask(search_page(), "asthma pain")
    retracted, *_ = by_class(tree, "ms-card")
    [notice] = by_class(tree, "ms-notice")
    assert notice.getparent() is retracted
    assert text_of(notice) == f"Retraction. See 10.1/x {IMAGE}"
    assert "ms-grave" in notice.get("class", "")
    order = [part.get("class") for part in retracted]
    assert order.index(notice.get("class")) < order.index("ms-excerpt")
    [note] = by_class(tree, "ms-demo")
    assert text_of(note) == NOTE
    assert MARKDOWN in text_of(note.getparent())


def test_a_long_passage_is_cut_around_its_words_and_opens_whole(words: Path, search_page: Open) -> None:
    [card] = by_class(ask(search_page(), "glucose"), "ms-card")
    excerpt, whole = text_of(by_class(card, "ms-excerpt")[0]), text_of(by_class(card, "ms-whole")[0])
    assert excerpt.startswith("… ")
    assert "Then insulin lowers glucose." in excerpt
    assert len(excerpt) < len(whole)
    assert "of document long" in text_of(card)


def test_filters_narrow_are_named_and_can_be_cleared(words: Path, search_page: Open) -> None:
    at = search_page()
    assert at.multiselect[0].options == ["Note (3)", "Drug leaflet (1)"]
    at.multiselect[0].select("Note (3)")
    at.sidebar.slider[0].set_value((2012, 2020))
    tree = ask(at, "chest pain cough")
    assert titles(tree) == [MARKDOWN]
    assert "1 document," in text_of(by_class(tree, "ms-count")[0])
    [chips] = by_class(tree, "ms-chips")
    assert [text_of(chip) for chip in chips] == ["Year: 2012 to 2020", "Kind: Note"]
    assert [c.value for c in at.sidebar.caption] == ["1 passage without a year are left out."]
    at.button(key="clear").click().run()
    tree = shown(at)
    assert len(titles(tree)) == 3
    assert by_class(tree, "ms-chips") == []
    assert at.multiselect[0].value == []
    assert at.sidebar.slider[0].value == (2010, 2020)


def test_sources_filter_by_their_exact_hostile_name(words: Path, search_page: Open) -> None:
    at = search_page()
    at.multiselect[1].select("Ward <b>5</b> (1)")
    tree = ask(at, "pain")
    assert titles(tree) == [f"Chest pain {SCRIPT}"]
    assert text_of(by_class(tree, "ms-chips")[0]) == "Source: Ward <b>5</b>"


def test_nothing_found_says_why(words: Path, search_page: Open) -> None:
    at = search_page()
    assert by_class(ask(at, "zebra"), "ms-card") == []
    assert [info.value for info in at.info] == [
        "No document has these words. Check the spelling, try other words, "
        "or choose a search by meaning where there is one."
    ]
    at.multiselect[0].select("Drug leaflet (1)")
    assert by_class(ask(at, "cough"), "ms-card") == []
    assert [info.value for info in at.info] == [
        "Nothing was found under these filters. Widen or clear them to search more documents."
    ]


def test_strange_queries_find_nothing_and_break_nothing(words: Path, search_page: Open) -> None:
    at = search_page()
    for query in ("\x00", "\u202e", "the of", "<b>", "\U0001f600", "x" * 1000, "{}[]:$*`"):
        assert by_class(ask(at, query), "ms-card") == []
        assert not at.error
        assert [info.value[:32] for info in at.info] == ["No document has these words. Che"]


def test_an_empty_query_is_asked_for_again(words: Path, search_page: Open) -> None:
    at = search_page()
    ask(at, "   ")
    assert [info.value for info in at.info] == ["Type a question or some words first, then press Enter."]


def test_the_query_never_reaches_the_address(words: Path, search_page: Open) -> None:
    at = search_page()
    ask(at, "chest pain")
    assert dict(at.query_params) == {}
    assert at.text_input(key="query").proto.autocomplete == "off"


def test_without_an_index_the_page_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_page: Open
) -> None:
    monkeypatch.setenv("MEDSEARCH_INDEX", str(tmp_path))
    at = search_page()
    assert "Not a medical device." in text_of(shown(at))
    [said] = at.info
    assert "`medsearch index sample`" in said.value
    assert not at.text_input


def test_a_changed_corpus_is_one_line_that_says_what_to_do(own_copy: Path, search_page: Open) -> None:
    write_corpus(own_copy / "data" / "tiny", DOCUMENTS[:2])
    at = search_page()
    shown(at)
    [error] = at.error
    assert literal(error.value).startswith("tiny has changed since its index was made (corpus hash ")
    assert re.search(r"bring it up to date with `medsearch index tiny [^`]*--rebuild`$", error.value)
    index("--rebuild")
    at.run()
    assert not at.error
    assert titles(ask(at, "chest pain cough")) == [f"Chest pain {SCRIPT}", MARKDOWN]


def test_a_model_that_the_registry_lost_is_one_line(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_page: Open
) -> None:
    monkeypatch.delenv("MEDSEARCH_MODELS")
    at = search_page()
    tree = ask(at, "chest")
    assert by_class(tree, "ms-card") == []
    [error] = at.error
    assert literal(error.value).startswith("unknown model 'topics'")


def test_a_registry_that_cannot_be_read_is_one_line(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_page: Open
) -> None:
    monkeypatch.setenv("MEDSEARCH_MODELS", str(tmp_path / "none.toml"))
    at = search_page()
    shown(at)
    [error] = at.error
    assert "none.toml: the model registry cannot be read" in literal(error.value)


def test_a_damaged_index_leaves_the_others_to_be_chosen(own_copy: Path, search_page: Open) -> None:
    broken = own_copy / "index" / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    at = search_page()
    shown(at)
    assert "not a readable manifest" in literal(at.error[0].value)
    at.selectbox(key="corpus").select("tiny").run()
    assert not at.error
    assert titles(ask(at, "asthma")) == ["Asthma and cough"]


def test_a_rebuilt_index_is_seen_without_a_restart(own_copy: Path, search_page: Open) -> None:
    at = search_page()
    assert titles(ask(at, "zebra")) == []
    added = {"_id": "new", "title": "Zebra stripes", "text": "A new document on the zebra.", "metadata": {}}
    write_corpus(own_copy / "data" / "tiny", (*DOCUMENTS, added))
    index("--rebuild")
    tree = ask(at, "zebra")
    assert titles(tree) == ["Zebra stripes"]
    assert "6 documents" in text_of(tree)


def test_kinds_that_look_alike_filter_apart(sections: Path, search_page: Open) -> None:
    found = []
    for option in search_page().multiselect[0].options:
        at = search_page()
        at.multiselect[0].set_value([option])
        found.append(titles(ask(at, "pain")))
    assert sorted(found) == [["About case note"], ["About case_note"]]


def test_sections_filter_by_their_top_heading_and_are_named(sections: Path, search_page: Open) -> None:
    at = search_page()
    assert at.multiselect[-1].options == ["Methods (2)", "Results & <b>more</b> (2)"]
    at.multiselect[-1].select("Methods (2)")
    tree = ask(at, "pain")
    assert [text_of(fact) for fact in by_class(tree, "ms-fact-section")] == [
        "Section: Methods > Patients",
        "Section: Methods > Patients",
    ]
    assert text_of(by_class(tree, "ms-chips")[0]) == "Section: Methods"
    assert "4 passages" in text_of(tree)  # an index can be searched where its corpus is gone
