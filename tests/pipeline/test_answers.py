"""Answers of an LLM: good ones are read, every sort of wrong one is told what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pipeline.answers import checker, schema_of
from pipeline.llm.outcome import InvalidAnswerError
from pipeline.prompting import load_prompt
from pipeline.records import QueryKind

TWO_EACH = {QueryKind.KEYWORD: 2, QueryKind.QUESTION: 2, QueryKind.MANAGEMENT: 2}
ONE = {QueryKind.QUESTION: 1}


def six(**changes: Any) -> dict[str, Any]:
    queries = [
        {"kind": kind.value, "query": f"query {kind} {n}", "passage": "words", "relevance": 4}
        for kind in TWO_EACH
        for n in range(2)
    ]
    queries[0].update(changes)
    return {"queries": queries}


def test_six_queries_are_read_in_their_order() -> None:
    written = checker(load_prompt("six"), TWO_EACH)(json.dumps(six()))
    assert [query.kind for query in written] == [kind for kind in TWO_EACH for _ in range(2)]
    assert written[0].passage == "words"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ('Here it is: {"queries": []}', "not valid JSON"),
        ("[]", "one JSON object"),
        ('{"queries": {}}', "a list"),
        ('{"questions": []}', "'queries'"),
        ('{"queries": []}', "2 queries of kind keyword are wanted, not 0"),
        (json.dumps({"queries": six()["queries"][:5]}), "2 queries of kind management are wanted, not 1"),
        (json.dumps(six(relevance=6)), "relevance"),
        (json.dumps(six(relevance="high")), "relevance"),
        (json.dumps(six(relevance=True)), "relevance: Input should be a valid integer"),
        (json.dumps(six(relevance="4")), "relevance: Input should be a valid integer"),
        (json.dumps(six(relevance=4.0)), "relevance: Input should be a valid integer"),
        (json.dumps(six(passage=" ")), "passage: The words of the note"),
        (json.dumps(six(kind="poem")), "kind"),
        (json.dumps(six(query="?!")), "query"),
        (json.dumps(six(query="...?")), "must have words"),
        (json.dumps(six(notes="x")), "notes"),
        (json.dumps({"queries": [1]}), "valid dictionary|instance of Written"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(answer: str, complaint: str) -> None:
    with pytest.raises(InvalidAnswerError, match=complaint):
        checker(load_prompt("six"), TWO_EACH)(answer)


def test_one_query_a_call_takes_its_kind_from_the_question() -> None:
    answer = json.dumps({"query": "what is it?", "passage": "words", "relevance": 2})
    (written,) = checker(load_prompt("one"), ONE)(answer)
    assert (written.kind, written.relevance) == (QueryKind.QUESTION, 2)


@pytest.mark.parametrize("passage", [{}, {"passage": ""}, {"passage": " \n"}, {"passage": '"..."'}])
def test_a_passage_that_should_be_quoted_must_be_there(passage: dict[str, str]) -> None:
    answer = {"query": "what is it?", "relevance": 2, **passage}
    with pytest.raises(InvalidAnswerError, match="passage: The words of the note that answer the query"):
        checker(load_prompt("one"), ONE)(json.dumps(answer))
    queries = [{"kind": "question", **answer}]
    with pytest.raises(InvalidAnswerError, match="passage: The words of the note that answer the query"):
        checker(load_prompt("six"), ONE)(json.dumps({"queries": queries}))


@pytest.mark.parametrize(
    "answer", ["Query: what is it?\nRelevance: 3", "  query : what is it?\n\nRELEVANCE: 3\nQuery: another?"]
)
def test_plain_text_is_read_by_its_labels(answer: str) -> None:
    (written,) = checker(load_prompt("one_text"), ONE)(answer)
    assert (written.query, written.relevance, written.passage) == ("what is it?", 3, "")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("What is it?", "begins with 'Query:'"),
        ("Query:\nRelevance: 3", "begins with 'Query:'"),
        ("Query: what is it?", "number from 1 to 5"),
        ("Query: what is it?\nRelevance: 55", "number from 1 to 5"),
        ("Query: " + "very " * 80 + "long\nRelevance: 3", "at most 300"),
    ],
)
def test_plain_text_without_its_labels_is_refused(answer: str, complaint: str) -> None:
    with pytest.raises(InvalidAnswerError, match=complaint):
        checker(load_prompt("one_text"), ONE)(answer)


def test_the_schema_admits_the_good_answer_and_refuses_a_short_one() -> None:
    schema = schema_of(load_prompt("six"), TWO_EACH)
    assert schema is not None
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(six(), schema)
    for wrong in (
        {"queries": six()["queries"][:5]},
        six(kind="judged"),
        six(relevance=0),
        {**six(), "more": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert schema_of(load_prompt("one_text"), ONE) is None
