"""Which server is asked next, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.llm.balance import LONGEST_REST_SECONDS, Balance


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _fail(balance: Balance, server: str) -> None:
    while balance.take() != server:
        pass
    balance.failed(server)


def test_servers_take_turns_when_all_are_idle(clock: Clock) -> None:
    balance = Balance(["a", "b", "c"], clock=clock)
    taken = []
    for _ in range(6):
        taken.append(balance.take())
        balance.succeeded(taken[-1])
    assert taken == ["a", "b", "c", "a", "b", "c"]


def test_the_server_with_the_fewest_in_flight_is_taken(clock: Clock) -> None:
    balance = Balance(["slow", "quick"], clock=clock)
    assert [balance.take() for _ in range(4)] == ["slow", "quick", "slow", "quick"]
    balance.succeeded("quick")
    balance.succeeded("quick")
    assert [balance.take(), balance.take()] == ["quick", "quick"]


def test_a_failed_server_rests_and_is_tried_again(clock: Clock) -> None:
    balance = Balance(["a", "b"], clock=clock)
    balance.failed(balance.take())
    assert balance.resting() == ("a",)
    assert {balance.take() for _ in range(5)} == {"b"}
    clock.now += 1.0
    assert balance.resting() == ()
    assert balance.take() == "a"


def test_rests_double_up_to_a_minute_and_start_anew_after_an_answer(clock: Clock) -> None:
    balance = Balance(["a"], clock=clock)
    rests = []
    for _ in range(8):
        balance.failed(balance.take())
        rests.append(balance.seconds_until_ready())
        clock.now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, 32, LONGEST_REST_SECONDS, LONGEST_REST_SECONDS]
    balance.succeeded(balance.take())
    balance.failed(balance.take())
    assert balance.seconds_until_ready() == 1


def test_requests_that_fail_together_count_as_one_failure(clock: Clock) -> None:
    balance = Balance(["a"], clock=clock)
    for _ in range(16):
        balance.take()
    for _ in range(16):
        balance.failed("a")
    assert balance.seconds_until_ready() == 1


def test_an_answer_to_an_earlier_request_does_not_cut_a_rest_short(clock: Clock) -> None:
    balance = Balance(["a"], clock=clock)
    balance.take()
    balance.take()
    balance.busy("a", retry_after=20.0)
    balance.succeeded("a")
    assert balance.seconds_until_ready() == 20


def test_one_busy_answer_is_forgiven_and_a_second_is_not(clock: Clock) -> None:
    balance = Balance(["a"], clock=clock)
    balance.take()
    balance.busy("a")
    assert balance.resting() == ()
    balance.take()
    balance.busy("a")
    assert balance.resting() == ("a",)


@pytest.mark.parametrize(("asked", "rest"), [(7.5, 7.5), (0.2, 1.0), (-5.0, 1.0), (1e9, 1.0)])
def test_retry_after_lengthens_the_rest_within_reason(clock: Clock, asked: float, rest: float) -> None:
    balance = Balance(["a"], clock=clock)
    balance.take()
    balance.failed("a", retry_after=asked)
    assert balance.seconds_until_ready() == pytest.approx(rest)


@pytest.mark.parametrize("asked", [float("nan"), float("inf")])
def test_a_retry_after_that_is_no_number_of_seconds_is_not_kept(clock: Clock, asked: float) -> None:
    balance = Balance(["a"], clock=clock)
    balance.take()
    balance.failed("a", retry_after=asked)
    assert balance.seconds_until_ready() == 1


def test_when_all_rest_the_one_that_is_ready_first_is_taken(clock: Clock) -> None:
    balance = Balance(["a", "b"], clock=clock)
    balance.take()
    balance.failed("a", retry_after=30.0)
    balance.take()
    balance.failed("b")
    assert balance.seconds_until_ready() == 1
    assert balance.take() == "b"


def test_a_refusal_says_nothing_of_the_servers_health(clock: Clock) -> None:
    balance = Balance(["a", "b"], clock=clock)
    balance.released(balance.take())
    assert balance.resting() == ()
    assert [balance.take(), balance.take()] == ["b", "a"]


@given(
    events=st.lists(st.tuples(st.sampled_from(["succeeded", "failed", "busy", "released"]), st.floats(0, 90)))
)
def test_servers_are_never_starved(events: list[tuple[str, float]]) -> None:
    """Whatever happens, after the longest rest every server is asked again."""
    clock = Clock()
    balance = Balance(["a", "b", "c"], clock=clock)
    for event, seconds in events:
        getattr(balance, event)(balance.take())
        clock.now += seconds
    clock.now += LONGEST_REST_SECONDS
    assert sorted(balance.take() for _ in range(3)) == ["a", "b", "c"]
