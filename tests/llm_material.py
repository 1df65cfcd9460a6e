"""What the tests of the LLM client share: a request, its validator, and a clock that only tests move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import fake_llm_server as fake
from fake_llm_server import FakeLlmServer

from pipeline.llm.client import LlmClient
from pipeline.llm.dispatch import Timing
from pipeline.llm.messages import ChatRequest, Message
from pipeline.llm.outcome import InvalidAnswerError, Outcome
from pipeline.llm.server import ServerSettings

SECRET = "Zebulon Quux, MRN 4711"
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
REQUEST = ChatRequest((Message("system", "Be brief."), Message("user", f"Note: {SECRET}")), SCHEMA, "answer")
BROKEN = {
    "500": fake.status(500),
    "503": fake.status(503),
    "busy": fake.status(429),
    "dropping": fake.DROPPED,
    "cutting": fake.CUT,
}
NOWHERE = "http://127.0.0.1:9/v1"  # port 9 (discard) is privileged, and closed wherever tests run

T = TypeVar("T")


@dataclass
class FakeTime:
    """Sleeping only moves the clock, so that back-off takes no time."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def timing(self) -> Timing:
        return Timing(sleep=self.sleep, clock=lambda: self.now)


def settings(*servers: FakeLlmServer | str, **changes: Any) -> ServerSettings:
    urls = tuple(one if isinstance(one, str) else one.base_url for one in servers)
    return replace(
        ServerSettings(urls, model="fake", temperature=0.7, max_tokens=50, timeout_s=5.0), **changes
    )


def parse(answer: str) -> bool:
    try:
        value = json.loads(answer)
    except ValueError:
        raise InvalidAnswerError("It is not JSON.") from None
    if not isinstance(value, dict) or not isinstance(value.get("ok"), bool):
        raise InvalidAnswerError('The key "ok" must be true or false.')
    return bool(value["ok"])


def using(
    chosen: ServerSettings,
    work: Callable[[LlmClient], Awaitable[T]],
    timing: Timing | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> T:
    """What `work` returns when it is given a client; waiting takes no time unless `timing` says so."""

    async def run() -> T:
        async with LlmClient(chosen, timing=timing or FakeTime().timing(), say=say) as client:
            return await work(client)

    return asyncio.run(run())


def ask(
    chosen: ServerSettings, time: FakeTime | None = None, request: ChatRequest = REQUEST
) -> Outcome[bool]:
    return using(chosen, lambda client: client.ask(request, parse), time and time.timing())


async def ask_many(client: LlmClient, number: int) -> list[Outcome[bool]]:
    return list(await asyncio.gather(*(client.ask(REQUEST, parse) for _ in range(number))))
