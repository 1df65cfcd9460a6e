"""Answers that cannot be written, or break a parser, end in a kept row or a reason like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import fake_llm_server as fake
import generate_material as material
import pytest
from fake_llm_server import FakeLlmServer, Reply, always, in_order
from llm_material import REQUEST, ask, ask_many, settings, using

from pipeline.journal import read_rows
from pipeline.llm.client import LlmClient
from pipeline.llm.outcome import InvalidAnswerError, Kept, Outcome, SetAside, Trouble
from pipeline.records import GeneratedRow, SetAsideRow
from pipeline.run_folder import RunFolder

HALF = "\ud83d"  # the first half of a surrogate pair: JSON can carry it, UTF-8 cannot
BROKEN_HALF = "\ufffd"


def instead(**changes: object) -> Callable[[fake.Body], str]:
    """The good answer with its first query changed."""

    def answer(body: fake.Body) -> str:
        good = json.loads(material.good_answer(body))
        good["queries"][0].update(changes)
        return json.dumps(good)

    return answer


def with_raw_half(body: fake.Body) -> str:
    return material.good_answer(body).replace("keyword about", f"keyword {HALF} about", 1)


def with_huge_number(body: fake.Body) -> str:
    return material.good_answer(body).replace('"relevance": 5', f'"relevance": {"9" * 5000}', 1)


HOPELESS: dict[str, tuple[Callable[[fake.Body], str], str]] = {
    "half a character": (with_raw_half, "must not hold control characters or broken ones"),
    "half a character, escaped": (instead(query=f"what is it {HALF}?"), "not valid JSON"),
    "half a character in a key": (instead(**{HALF: 1}), "not valid JSON"),
    "only half a character": (lambda _: HALF, "not valid JSON"),
    "brackets in brackets": (lambda _: "[" * 50_000, "not valid JSON"),
    "objects in objects": (lambda _: '{"queries":' * 50_000, "not valid JSON"),
    "NUL characters": (lambda _: "\0" * 20, "not valid JSON"),
    "a NUL in a query": (instead(query="what is it\0?"), "must not hold control characters"),
    "a number of 5,000 digits": (with_huge_number, "not valid JSON"),
    "a number of 30 digits": (instead(relevance=10**30), "less than or equal to 5"),
    "a number that is none": (instead(relevance=float("nan")), "relevance"),
    "a number that is not finite": (instead(relevance=float("inf")), "relevance"),
}


@pytest.mark.parametrize(("answer", "complaint"), HOPELESS.values(), ids=HOPELESS.keys())
def test_an_odd_answer_is_set_aside_and_not_asked_about_again(
    answer: Callable[[fake.Body], str], complaint: str, tmp_path: Path
) -> None:
    with FakeLlmServer(answer) as server:
        _, total = material.run_all(tmp_path, server.base_url, "six", notes=2, limit=2)
        assert len(server.bodies) == 4  # each note, and once more with the reason
        material.run_all(tmp_path, server.base_url, "six", notes=2, limit=2)
        assert len(server.bodies) == 4
    assert (total.kept, total.dropped) == (0, {"invalid_answer": 12})
    lost = list(read_rows(RunFolder(tmp_path / "run").set_aside, SetAsideRow))
    assert [row.reason for row in lost] == ["invalid_answer"] * 2
    for row in lost:
        assert complaint in row.detail
    assert complaint in server.bodies[-1]["messages"][-1]["content"]


def test_half_a_character_in_plain_text_is_kept_out_of_the_query_and_shown_in_what_is_set_aside(
    tmp_path: Path,
) -> None:
    with FakeLlmServer(lambda _: f"Query: what {HALF} is it?\nRelevance: 4") as server:
        material.run_all(tmp_path, server.base_url, "one_text", notes=1, limit=1)
    run = RunFolder(tmp_path / "run")
    assert not list(read_rows(run.generated, GeneratedRow))
    raw = {row.raw for row in read_rows(run.set_aside, SetAsideRow)}
    assert raw == {f"Query: what {BROKEN_HALF} is it?\nRelevance: 4"}


def test_half_a_character_outside_what_is_read_does_no_harm(tmp_path: Path) -> None:
    with FakeLlmServer(lambda _: f"{HALF} Sure!\nQuery: what is it?\nRelevance: 4") as server:
        _, total = material.run_all(tmp_path, server.base_url, "one_text", notes=1, limit=1)
    assert (total.taken, total.kept) == (6, 6)


@pytest.mark.parametrize("odd", [HALF, "[" * 50_000, "\0"])
def test_a_server_that_gave_an_odd_answer_is_not_rested(odd: str) -> None:
    heard: list[str] = []

    def check(text: str) -> bool:
        if text != '{"ok": true}':
            raise InvalidAnswerError("It is odd.")
        return True

    async def work(client: LlmClient) -> Outcome[bool]:
        return await client.ask(REQUEST, check)

    with FakeLlmServer(behave=in_order(fake.text(odd))) as server:
        outcome = using(settings(server), work, say=heard.append)
    assert isinstance(outcome, Kept)
    assert (outcome.usage.requests, outcome.usage.answers, heard) == (2, 2, [])


def test_a_whole_pair_and_what_follows_a_half_stay_as_they_are() -> None:
    with FakeLlmServer(behave=always(fake.text(f"\U0001f600 {HALF}fever \ude00"))) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, SetAside)
    assert outcome.raw == f"\U0001f600 {BROKEN_HALF}fever {BROKEN_HALF}"


def test_a_refusal_and_a_models_name_can_be_written_too() -> None:
    name = Reply(
        payload=json.dumps(
            {
                "model": f"fake{HALF}",
                "choices": [{"message": {"content": '{"ok": true}'}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10**30, "completion_tokens": -1},
            }
        ).encode()
    )
    with FakeLlmServer(behave=always(name)) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, Kept)
    assert outcome.model == f"fake{BROKEN_HALF}"
    assert (outcome.usage.prompt_tokens, outcome.usage.completion_tokens) == (0, 0)

    def behave(number: int, _: fake.Body) -> Reply | None:
        return fake.status(400, f"too long: {HALF}") if number == 1 else None

    with FakeLlmServer(behave=behave) as server:
        refused = ask(settings(server))
    assert isinstance(refused, SetAside)
    assert (refused.reason, refused.raw) == (Trouble.REFUSED_BY_SERVER, f"too long: {BROKEN_HALF}")


def test_a_response_of_brackets_in_brackets_is_a_failure_that_may_pass() -> None:
    deep = Reply(payload=b"[" * 50_000)
    with FakeLlmServer(behave=in_order(deep)) as server:
        outcomes = using(settings(server), lambda client: ask_many(client, 1))
    assert [type(outcome) for outcome in outcomes] == [Kept]
    assert outcomes[0].usage.requests == 2
