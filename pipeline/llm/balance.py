"""Which server is asked next: the least busy one that is not resting after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_REST_SECONDS = 1.0
LONGEST_REST_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 120.0
"""A server that asks for more patience than this is treated as one that failed."""


@dataclass(slots=True)
class _State:
    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0
    last_taken: int = -1


class Balance:
    """Spreads requests over servers; for one event loop, not for threads.

    A server that fails rests for 1 s, then 2, 4 … 60 s for as long as it goes on failing, and is tried again
    after each rest. One answer wipes its record, but does not cut a rest short: it may be the answer to an
    earlier request.
    """

    def __init__(self, servers: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states = {server: _State() for server in servers}
        self._taken = 0

    def take(self) -> str:
        """A server for one request: the one with the fewest in flight, ties in turn.

        Every `take` is followed by one `succeeded`, `failed`, `busy` or `released`. Where all are resting it
        is the one that has the least rest left: see `seconds_until_ready`.
        """
        now = self._clock()
        awake = [name for name, state in self._states.items() if state.rests_until <= now]
        if awake:
            chosen = min(awake, key=lambda name: self._order(self._states[name]))
        else:
            chosen = min(self._states, key=lambda name: self._states[name].rests_until)
        state = self._states[chosen]
        state.in_flight += 1
        state.last_taken = self._taken = self._taken + 1
        return chosen

    def seconds_until_ready(self) -> float:
        """How long until one of the servers has rested; 0 when one may be asked now."""
        return max(0.0, min(state.rests_until for state in self._states.values()) - self._clock())

    def succeeded(self, server: str) -> None:
        """The server answered: its next failure counts as a first one."""
        state = self._states[server]
        state.in_flight -= 1
        state.failures = 0

    def failed(self, server: str, *, retry_after: float | None = None) -> None:
        """The server refused a connection, broke, or was too slow; `retry_after` (s) is what it asked for."""
        state = self._states[server]
        state.in_flight -= 1
        self._rest(state, retry_after)

    def busy(self, server: str, *, retry_after: float | None = None) -> None:
        """The server said that it has too much to do: it rests when it names a time, or says so again."""
        state = self._states[server]
        state.in_flight -= 1
        if not retry_after and state.failures == 0:
            state.failures = 1
        else:
            self._rest(state, retry_after)

    def released(self, server: str) -> None:
        """The request came to nothing that tells of the server's health: it was cancelled, or refused."""
        self._states[server].in_flight -= 1

    def resting(self) -> tuple[str, ...]:
        """The servers that are resting now."""
        now = self._clock()
        return tuple(name for name, state in self._states.items() if state.rests_until > now)

    def _order(self, state: _State) -> tuple[int, int]:
        return state.in_flight, state.last_taken

    def _rest(self, state: _State, retry_after: float | None) -> None:
        now = self._clock()
        # A burst of requests that fail together is one failure.
        if state.rests_until <= now:
            state.failures += 1
            growing = FIRST_REST_SECONDS * 2.0 ** min(state.failures - 1, 30)
            state.rests_until = now + min(growing, LONGEST_REST_SECONDS)
        if retry_after is not None and 0 < retry_after <= LONGEST_RETRY_AFTER_SECONDS:
            state.rests_until = max(state.rests_until, now + retry_after)
