"""Prompts: the files that come with medsearch are sound, and their examples are good answers."""

from __future__ import annotations

import pytest

from medsearch.errors import UsageError
from pipeline.answers import checker
from pipeline.grounding import ground
from pipeline.prompting import conversation, load_prompt
from pipeline.records import QueryKind

ALL = ["six", "one", "one_text"]
TWO_EACH = {QueryKind.KEYWORD: 2, QueryKind.QUESTION: 2, QueryKind.MANAGEMENT: 2}


def wanted(name: str) -> dict[QueryKind, int]:
    return TWO_EACH if name == "six" else {QueryKind.MANAGEMENT: 1}


@pytest.mark.parametrize("name", ALL)
def test_every_example_answer_would_be_accepted(name: str) -> None:
    prompt = load_prompt(name)
    messages = conversation(prompt, "the note", wanted(name))
    answers = [message.content for message in messages if message.role == "assistant"]
    assert len(answers) >= 2
    for answer in answers:
        assert len(checker(prompt, wanted(name))(answer)) == sum(wanted(name).values())


@pytest.mark.parametrize("name", ["six", "one"])
def test_every_example_passage_is_quoted_word_for_word(name: str) -> None:
    for example in load_prompt(name).examples:
        for query in example.queries:
            place = ground(query.passage, example.note, min_alignment=100)
            assert place is not None, query.passage


@pytest.mark.parametrize("name", ALL)
def test_the_note_is_the_last_turn_and_turns_alternate(name: str) -> None:
    messages = conversation(load_prompt(name), "the words of the note", wanted(name))
    assert messages[0].role == "system"
    assert [message.role for message in messages[1:]] == ["user", "assistant"] * (len(messages) // 2 - 1) + [
        "user"
    ]
    assert "the words of the note" in messages[-1].content
    assert sum("the words of the note" in message.content for message in messages) == 1


def test_examples_and_request_ask_for_the_same_number_where_the_setting_differs() -> None:
    prompt = load_prompt("six")
    messages = conversation(prompt, "note", {QueryKind.KEYWORD: 1, QueryKind.QUESTION: 5})
    assert "- 5 of kind question" in messages[-1].content
    assert "- 2 of kind question" in messages[1].content  # the example has no more than two
    assert "management" not in messages[1].content
    assert messages[2].content.count('"kind"') == 3


def test_example_texts_hold_all_that_an_answer_must_not_repeat() -> None:
    assert "hyponatraemia caused by sertraline" in load_prompt("one_text").example_texts()
    texts = load_prompt("six").example_texts()
    assert "p16 positive tonsil cancer" in texts
    assert "He had chemoradiotherapy with cisplatin." in texts


def test_an_unknown_prompt_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no prompt called 'none'; there is one, one_text, six"):
        load_prompt("none")
