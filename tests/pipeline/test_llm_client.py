"""Each way in which a server can misbehave ends in a kept answer, a retry, or a set-aside with the reason."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import fake_llm_server as fake
import pytest
from fake_llm_server import FakeLlmServer, Reply, always, in_order
from llm_material import NOWHERE, REQUEST, SCHEMA, SECRET, FakeTime, ask, ask_many, parse, settings, using

from medsearch.errors import MedsearchError
from pipeline.llm.client import LlmClient
from pipeline.llm.dispatch import Timing
from pipeline.llm.outcome import Kept, Outcome, SetAside, Trouble
from pipeline.llm.server import Structured


def test_a_good_answer_is_kept_with_what_it_cost_and_who_gave_it() -> None:
    with FakeLlmServer() as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, Kept)
    assert (outcome.value, outcome.server, outcome.model) == (True, server.base_url, "fake")
    usage = outcome.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.requests, usage.retried) == (7, 2, 1, 0)


def test_what_is_sent_is_what_the_settings_say() -> None:
    with FakeLlmServer() as server:
        ask(settings(server, api_key="key"), request=replace(REQUEST, stop=("\n\n",)))
        ask(settings(server, seed=7, structured=Structured.NONE))
    first, second = server.bodies
    assert first == {
        "model": "fake",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"Note: {SECRET}"},
        ],
        "temperature": 0.7,
        "max_tokens": 50,
        "stop": ["\n\n"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
    }
    assert server.headers[0]["authorization"] == "Bearer key"
    # vLLM's CPU engine dies at a seed, so none may be there unless it was asked for.
    assert "seed" not in first
    assert second["seed"] == 7
    assert "response_format" not in second


def test_llama_cpp_gets_the_schema_in_its_own_way() -> None:
    with FakeLlmServer() as server:
        ask(settings(server, structured=Structured.JSON_OBJECT_SCHEMA))
    assert server.bodies[0]["response_format"] == {"type": "json_object", "schema": SCHEMA}


PASSING = {
    "429": fake.status(429),
    "429 with Retry-After": fake.status(429, retry_after="3"),
    "408": fake.status(408),
    "409": fake.status(409),
    "500": fake.status(500),
    "503": fake.status(503),
    "dropped before the response": fake.DROPPED,
    "dropped in the middle": fake.CUT,
    "a page, not an answer": fake.HTML,
    "half an answer": fake.BROKEN_JSON,
    "an answer without choices": fake.NO_CHOICES,
    "an answer of another shape": Reply(payload=b'["choices"]'),
    "nothing": Reply(payload=b"null"),
    "text that is no text": Reply(payload=b'{"choices": [{"message": {"content": [1]}}]}'),
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_a_passing_failure_is_tried_again(reply: Reply) -> None:
    with FakeLlmServer(behave=in_order(reply, reply)) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, Kept)
    assert (outcome.usage.requests, outcome.usage.retried) == (3, 2)
    assert len({json.dumps(body) for body in server.bodies}) == 1, "the same question each time"


@pytest.mark.parametrize(
    "reply", [fake.slow(30.0), Reply(delay_s=0.1, trickle=True)], ids=["slow", "trickling"]
)
def test_an_answer_that_takes_too_long_is_tried_again(reply: Reply) -> None:
    with FakeLlmServer(behave=in_order(reply)) as server:
        outcome = ask(settings(server, timeout_s=0.3))
    assert isinstance(outcome, Kept)
    assert outcome.usage.requests == 2


BAD_ANSWERS = {
    "not JSON": (fake.text("Sure! Here it is"), Trouble.INVALID_ANSWER, "It is not JSON."),
    "another schema": (fake.text('{"ok": 1}'), Trouble.INVALID_ANSWER, 'The key "ok" must be true or false.'),
    "cut off": (fake.truncated('{"ok": tr'), Trouble.TRUNCATED, "It was cut off after 50 tokens"),
    "cut off, but valid": (fake.truncated('{"ok": true}'), Trouble.TRUNCATED, "It was cut off after 50"),
    "empty": (fake.text(" "), Trouble.INVALID_ANSWER, "It was empty."),
}


@pytest.mark.parametrize(("reply", "trouble", "complaint"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_bad_answer_is_asked_again_with_the_reason(reply: Reply, trouble: Trouble, complaint: str) -> None:
    with FakeLlmServer(behave=in_order(reply)) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, Kept)
    assert outcome.usage.retried == 1
    first, second = (body["messages"] for body in server.bodies)
    assert second[: len(first)] == first
    assert complaint in second[-1]["content"]
    answers = [message["content"] for message in second[len(first) : -1]]
    assert answers == ([reply.text] if reply.text and reply.text.strip() else [])


@pytest.mark.parametrize(("reply", "trouble", "complaint"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_an_answer_that_is_bad_twice_is_set_aside(reply: Reply, trouble: Trouble, complaint: str) -> None:
    with FakeLlmServer(behave=always(reply)) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, SetAside)
    assert (outcome.reason, outcome.raw, outcome.usage.requests) == (trouble, reply.text, 2)
    assert outcome.detail.startswith(complaint)


def test_the_raw_text_of_a_set_aside_is_the_second_answer() -> None:
    with FakeLlmServer(behave=in_order(fake.text("one"), fake.truncated("two"))) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, SetAside)
    assert (outcome.reason, outcome.raw) == (Trouble.TRUNCATED, "two")


def test_a_refusal_of_one_request_is_set_aside_with_the_servers_words() -> None:
    def behave(_: int, body: fake.Body) -> Reply | None:
        return fake.status(400, "context too long") if SECRET in json.dumps(body) else None

    with FakeLlmServer(behave=behave) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, SetAside)
    assert (outcome.reason, outcome.raw) == (Trouble.REFUSED_BY_SERVER, "context too long")
    assert outcome.detail == "HTTP 400: context too long"
    assert outcome.usage.requests == 1


def test_a_correction_that_gets_too_long_leaves_the_first_answer_set_aside() -> None:
    with FakeLlmServer(behave=in_order(fake.text("no"), fake.status(400, "context too long"))) as server:
        outcome = ask(settings(server))
    assert isinstance(outcome, SetAside)
    assert (outcome.reason, outcome.raw) == (Trouble.INVALID_ANSWER, "no")
    assert outcome.detail == "It is not JSON. When asked again: HTTP 400: context too long"


def test_settings_that_a_server_refuses_stop_the_run_and_set_nothing_aside() -> None:
    with (
        FakeLlmServer(behave=always(fake.status(422, "bad response_format"))) as server,
        pytest.raises(MedsearchError, match=r"even a trivial question \(HTTP 422: bad .*check `structured`"),
    ):
        using(settings(server), lambda client: ask_many(client, 5))


STOPPING = {
    "401": (fake.status(401, f"wrong key for {SECRET}"), r"does not accept the key \(HTTP 401\)"),
    "403": (fake.status(403, SECRET), r"does not accept the key \(HTTP 403\): set MEDSEARCH_LLM_KEY"),
    "404": (fake.status(404, SECRET), r"has no model 'fake', or is no OpenAI-compatible server"),
}


@pytest.mark.parametrize(("reply", "message"), STOPPING.values(), ids=STOPPING.keys())
def test_what_every_request_would_meet_stops_the_run(reply: Reply, message: str) -> None:
    with (
        FakeLlmServer(behave=always(reply)) as server,
        pytest.raises(MedsearchError, match=message) as caught,
    ):
        ask(settings(server))
    assert len(server.bodies) == 1
    assert server.base_url in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(code: int) -> None:
    with FakeLlmServer() as elsewhere:
        to = elsewhere.base_url + "/chat/completions"
        with (
            FakeLlmServer(behave=always(fake.redirect(to, code))) as server,
            pytest.raises(MedsearchError, match=rf"sends requests on to another address \(HTTP {code}\)"),
        ):
            ask(settings(server))
    assert elsewhere.bodies == []


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FakeLlmServer() as server:
        assert isinstance(ask(settings(server)), Kept)


def test_waits_between_attempts_grow() -> None:
    """One server's rests are 1, 2, 4 and 8 s; the back-off's jitter stays below, and is part of them."""
    time = FakeTime()
    with FakeLlmServer(behave=in_order(*[fake.status(500)] * 4)) as server:
        outcome = ask(settings(server), time)
    assert isinstance(outcome, Kept)
    assert sum(time.slept) == pytest.approx(1 + 2 + 4 + 8)


def test_seconds_are_those_under_way() -> None:
    async def work(client: LlmClient) -> Outcome[bool]:
        return await client.ask(REQUEST, parse)

    with FakeLlmServer(behave=always(fake.slow(0.05))) as server:
        outcome = using(settings(server), work, timing=Timing())
    assert outcome.usage.seconds >= 0.05


def test_a_wait_is_never_shorter_than_the_server_asked_for() -> None:
    time = FakeTime()
    with FakeLlmServer(behave=in_order(fake.status(429, retry_after="17"))) as server:
        outcome = ask(settings(server), time)
    assert isinstance(outcome, Kept)
    assert sum(time.slept) == pytest.approx(17)


def test_retry_after_may_be_a_date() -> None:
    time = FakeTime()
    past = fake.status(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    nonsense = fake.status(503, retry_after="soon")
    with FakeLlmServer(behave=in_order(past, nonsense)) as server:
        outcome = ask(settings(server), time)
    assert isinstance(outcome, Kept)
    assert sum(time.slept) < 10


def test_prompts_and_answers_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    replies = (
        fake.status(500, SECRET),
        fake.text(SECRET),
        fake.status(400, SECRET),
        fake.HTML,
        fake.slow(30.0),
        fake.truncated(SECRET),
    )
    with FakeLlmServer(behave=in_order(*replies)) as server:
        using(settings(server, timeout_s=0.3), lambda client: ask_many(client, 2))
    assert "HTTP Request" in caplog.text, "the test hears the libraries"
    assert "Zebulon" not in caplog.text
    assert "4711" not in caplog.text


def test_a_check_that_is_wrong_itself_is_not_hidden() -> None:
    def check(_: str) -> bool:
        raise KeyError("a fault of ours")

    with FakeLlmServer() as server, pytest.raises(KeyError):
        using(settings(server), lambda client: client.ask(REQUEST, check))
