"""Several servers, some of them failing: the run goes on, or stops and sets nothing aside falsely."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import fake_llm_server as fake
import pytest
from fake_llm_server import FakeLlmServer, Reply, always, in_order
from llm_material import BROKEN, NOWHERE, REQUEST, SECRET, FakeTime, ask, ask_many, parse, settings, using

from pipeline.llm.client import LlmClient
from pipeline.llm.outcome import Kept, LlmUnavailableError, Outcome, SetAside, Trouble


class Gauge:
    """Counts the requests that several servers are answering at one time."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def behave(self, number: int, _: fake.Body) -> Reply:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        return fake.status(500) if number % 7 == 0 else fake.GOOD


def test_requests_in_flight_stay_bounded_over_all_servers_but_are_used() -> None:
    gauge = Gauge()
    with FakeLlmServer(behave=gauge.behave) as one, FakeLlmServer(behave=gauge.behave) as two:
        outcomes = using(settings(one, two, in_flight=4), lambda client: ask_many(client, 40))
    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    assert gauge.most == 4


def test_one_request_at_a_time_is_one_at_a_time() -> None:
    with FakeLlmServer(behave=always(fake.slow(0.005))) as server:
        using(settings(server, in_flight=1), lambda client: ask_many(client, 8))
    assert server.most_in_flight == 1


def test_work_is_spread_evenly_over_equal_servers() -> None:
    """One at a time, so that how quick each server happens to be has no part in it."""
    with FakeLlmServer() as one, FakeLlmServer() as two:
        using(settings(one, two, in_flight=1), lambda client: ask_many(client, 20))
    assert (len(one.bodies), len(two.bodies)) == (10, 10)


def test_a_slow_server_is_given_less_to_do() -> None:
    with FakeLlmServer() as quick, FakeLlmServer(behave=always(fake.slow(0.1))) as slow:
        using(settings(slow, quick, in_flight=4), lambda client: ask_many(client, 30))
    assert len(slow.bodies) < len(quick.bodies)


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN.keys())
def test_one_failing_server_of_two_does_not_stop_the_run_and_is_tried_again(reply: Reply) -> None:
    """The broken one recovers after three requests, and then does its share."""
    said: list[str] = []
    behave = in_order(reply, reply, reply)
    with FakeLlmServer() as good, FakeLlmServer(behave=behave) as broken:
        chosen = settings(good, broken, in_flight=2)
        clock = FakeTime()

        async def work(client: LlmClient) -> list[Outcome[bool]]:
            outcomes = []
            for _ in range(12):
                outcomes += await ask_many(client, 2)
                clock.now += 2.0
            return outcomes

        outcomes = using(chosen, work, clock.timing(), said.append)
    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    assert {outcome.server for outcome in outcomes if isinstance(outcome, Kept)} == {
        good.base_url,
        broken.base_url,
    }
    assert len(broken.bodies) > 4
    assert said
    assert all(broken.base_url in line and "tried again" in line for line in said)


def test_a_server_that_is_not_there_leaves_the_work_to_the_other() -> None:
    with FakeLlmServer() as server:
        outcomes = using(settings(NOWHERE, server), lambda client: ask_many(client, 10))
    assert {outcome.server for outcome in outcomes if isinstance(outcome, Kept)} == {server.base_url}
    assert len(outcomes) == 10


def test_a_hanging_server_leaves_the_work_to_the_other() -> None:
    with FakeLlmServer() as good, FakeLlmServer(behave=always(fake.slow(30.0))) as hanging:
        outcomes = using(settings(hanging, good, timeout_s=0.3), lambda client: ask_many(client, 6))
    assert {outcome.server for outcome in outcomes if isinstance(outcome, Kept)} == {good.base_url}


def test_no_server_at_all_stops_the_run_with_the_way_to_go_on() -> None:
    with pytest.raises(LlmUnavailableError) as caught:
        ask(settings(NOWHERE, attempts=3))
    assert str(caught.value) == (
        f"no LLM server answers at {NOWHERE} (no connection (3x)); start one with `make llm`, then run the "
        f"same command to go on"
    )


DEAD = {**BROKEN, "hanging": fake.slow(30.0), "a page": fake.HTML}


@pytest.mark.parametrize("reply", DEAD.values(), ids=DEAD.keys())
def test_a_dead_engine_behind_a_living_web_server_sets_nothing_aside(reply: Reply) -> None:
    with FakeLlmServer(behave=always(reply)) as server, pytest.raises(LlmUnavailableError, match="go on"):
        ask(settings(server, attempts=2, timeout_s=0.2))


def test_a_server_that_dies_in_the_middle_sets_nothing_aside() -> None:
    def behave(number: int, _: fake.Body) -> Reply | None:
        return fake.DROPPED if number > 10 else None

    kept: list[Outcome[bool]] = []

    async def work(client: LlmClient) -> None:
        async def one() -> None:
            kept.append(await client.ask(REQUEST, parse))

        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(one())

    with FakeLlmServer(behave=behave) as server, pytest.raises(ExceptionGroup) as caught:
        using(settings(server, in_flight=8), work)
    assert {type(error) for error in caught.value.exceptions} == {LlmUnavailableError}
    assert len(kept) == 10
    assert all(isinstance(outcome, Kept) for outcome in kept)


@pytest.mark.parametrize("reply", [fake.status(500), fake.DROPPED], ids=["500", "dropped"])
def test_a_request_that_breaks_a_living_server_is_set_aside(reply: Reply) -> None:
    def behave(_: int, body: fake.Body) -> Reply | None:
        return reply if SECRET in json.dumps(body) else None

    with FakeLlmServer(behave=behave) as server:
        outcome = ask(settings(server, attempts=3))
    assert isinstance(outcome, SetAside)
    assert outcome.reason is Trouble.UNREACHABLE
    assert outcome.detail.startswith("every attempt failed: ")
    assert "(3x)" in outcome.detail
    assert outcome.usage.requests == 3


def test_a_cancelled_request_frees_its_place() -> None:
    with FakeLlmServer(behave=in_order(fake.slow(30.0))) as server:

        async def work(client: LlmClient) -> Outcome[bool]:
            task = asyncio.create_task(client.ask(REQUEST, parse))
            while not server.bodies:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await client.ask(REQUEST, parse)

        assert isinstance(using(settings(server, in_flight=1), work), Kept)
