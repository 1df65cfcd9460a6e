"""Single parts of a card: notices, facts and why a document was found, for any metadata."""

from __future__ import annotations

import pytest
from fakes import BM25_SPEC
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from page_reader import by_class, harmless

from medsearch.types import MetadataValue, Passage, PassageHit
from ui.cards import Look, card, facts, notice, score, why
from ui.labels import Method, counted, value_label
from ui.markup import Marker

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=5)).map(tuple)
)
KEYS = ("kind", "year", "specialty", "evidence", "journal", "source", "url", "notice", "note")


def passage(text: str = "Some text.", **metadata: MetadataValue) -> Passage:
    return Passage("d1", 0, "A title", text, "", 0, len(text), metadata)


def read(body: str) -> str:
    return str(html.fromstring(f"<div>{body}</div>").text_content())


@pytest.mark.parametrize(
    ("said", "shown", "grave"),
    [
        ("retraction: see 10.1/x", "Retraction. See 10.1/x", True),
        ("Retraction: 10.1/x", "Retraction. 10.1/x", True),
        ("retracted", "Retraction. Retracted", True),
        ("This article was WITHDRAWN.", "Retraction. This article was WITHDRAWN.", True),
        ("correction: table 2", "Correction. Table 2", False),
        ("concern: data", "Expression of concern. Data", False),
        ("erratum: dose of 5 mg", "Notice. Erratum: dose of 5 mg", False),
        ("correction:", "Notice. Correction:", False),
        ("", "", False),
        (None, "", False),
    ],
)
def test_notices_are_named_and_only_retractions_are_grave(said: str | None, shown: str, grave: bool) -> None:
    body = notice({"notice": said})
    assert read(body) == shown
    assert ("ms-grave" in body) == grave


def test_facts_are_shown_in_plain_english_and_only_where_known() -> None:
    known = passage(kind="clinical_note", year=2024, evidence="guideline", source="letters", url="ftp://x/y")
    assert html.fromstring(facts(known)).xpath("li//text()") == [
        *("Kind: ", "Clinical note", "Year: ", "2024", "Evidence: ", "Evidence: guideline"),
        *("Source: ", "letters"),
    ]
    assert html.fromstring(facts(passage())).xpath("li") == []
    assert "BMJ" in facts(passage(source="pmc", journal="BMJ"))
    assert "pmc" not in facts(passage(source="pmc", journal="BMJ"))


def test_several_kinds_are_shown_as_words() -> None:
    assert "Review" in (shown := read(facts(passage(kind=("review", "trial")))))
    assert not set("()'") & set(shown)


def test_why_a_document_was_found() -> None:
    found = passage("Chest pains; chest pain. Heart failure.")
    assert read(why(found, Marker("pain of the chest", BM25_SPEC))) == "Words in common: chest, pains, pain"
    assert read(why(found, Marker("kidney", BM25_SPEC))) == "No words in common: found by its meaning"
    assert read(why(found, Marker("pain", None))) == ""


@pytest.mark.parametrize(
    ("method", "shown"),
    [(Method.HYBRID, "0.0325"), (Method.MEANING, "0.032"), (Method.WORDS, "0.0"), (Method.TOKENS, "0.03")],
)
def test_a_score_says_what_it_means(method: Method, shown: str) -> None:
    said = read(score(PassageHit(passage(), 0.03249), method, "hit-1"))
    assert said.startswith(f"Score {shown}")
    assert said.endswith("it does not say how true, complete or safe the text is.")


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), VALUES.map(str), VALUES.map(str))
def test_no_document_adds_an_element_to_its_card(
    metadata: dict[str, MetadataValue], text: str, doc_id: str
) -> None:
    hit = PassageHit(Passage(doc_id, 0, text, text, text, 0, len(text), metadata), 1.0)
    tree = harmless(card(hit, 1, Look(Marker("pain", BM25_SPEC), Method.WORDS)))
    tags = [element.tag for element in tree.iter()]
    assert (tags.count("article"), tags.count("h2"), tags.count("details"), tags.count("p")) == (
        *(1, 1, 1),
        2 + bool(by_class(tree, "ms-notice")) + bool(by_class(tree, "ms-demo")),
    )
    assert {a.get("href") for a in tree.iter("a")} <= {metadata.get("url")}


def test_labels_for_people() -> None:
    assert value_label("clinical_note") == "Clinical note"
    assert value_label("") == ""
    assert (counted(1, "document"), counted(1240, "passage")) == ("1 document", "1,240 passages")
