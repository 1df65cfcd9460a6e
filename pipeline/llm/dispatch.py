"""Gets one answer from whichever server can give it: bounded in flight, balanced, and tried again.

The `openai` package speaks the protocol, with its own retrying turned off: it would ask the same server
again, while here the next attempt goes to the server that `Balance` finds best, after its `Retry-After` or
rest. `tenacity` counts the attempts and spaces them (exponential back-off with full jitter).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipeline.llm.balance import Balance
from pipeline.llm.connection import Completion, Connections, PassingError
from pipeline.llm.messages import ChatRequest, Message
from pipeline.llm.server import ServerSettings
from pipeline.llm.tally import Tally

LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How time passes: a test puts its own in."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Dispatch:
    """Sends requests; `answered` counts those that were answered, and `say` hears of servers put to rest."""

    def __init__(
        self, settings: ServerSettings, connections: Connections, say: Callable[[str], None], timing: Timing
    ) -> None:
        self.answered = 0
        self._settings = settings
        self._connections = connections
        self._say = say
        self._timing = timing
        self._balance = Balance(settings.base_urls, clock=timing.clock)
        self._slots = asyncio.Semaphore(settings.in_flight)

    async def answer(self, request: ChatRequest, messages: tuple[Message, ...], tally: Tally) -> Completion:
        """The LLM's answer, within the settings' number of attempts; every attempt is counted in `tally`.

        Raises:
            PassingError: the last attempt failed as all before it.
            RefusedError, MedsearchError: as `Connections.complete`.
        """
        from tenacity import (
            AsyncRetrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_random_exponential,
        )

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._settings.attempts),
            wait=wait_random_exponential(multiplier=1, max=LONGEST_WAIT_SECONDS),
            retry=retry_if_exception_type(PassingError),
            sleep=self._timing.sleep,
            reraise=True,
        )
        answer: Completion = await retrying(self._attempt, request, messages, tally)
        return answer

    async def _attempt(self, request: ChatRequest, messages: tuple[Message, ...], tally: Tally) -> Completion:
        async with self._slots:
            if (rest := self._balance.seconds_until_ready()) > 0:
                await self._timing.sleep(rest)
            server = self._balance.take()
            began = self._timing.clock()
            tally.requests += 1
            try:
                answer = await self._connections.complete(server, request, messages)
            except PassingError as error:
                tally.failures[str(error)] += 1
                self._failed(server, error)
                raise
            except (
                BaseException
            ):  # a refusal, or the run is being stopped: neither tells of the server's health
                self._balance.released(server)
                raise
            finally:
                tally.seconds += self._timing.clock() - began
            self._balance.succeeded(server)
        self.answered += 1
        tally.prompt_tokens += answer.prompt_tokens
        tally.completion_tokens += answer.completion_tokens
        return answer

    def _failed(self, server: str, error: PassingError) -> None:
        was_resting = server in self._balance.resting()
        if error.busy:
            self._balance.busy(server, retry_after=error.retry_after)
        else:
            self._balance.failed(server, retry_after=error.retry_after)
        if not was_resting and server in self._balance.resting():
            self._say(f"The LLM server {server} is in trouble ({error}); it is tried again after a rest.")
