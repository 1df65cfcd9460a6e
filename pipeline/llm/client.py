"""Asks LLMs many questions at once, and ends each in a checked answer or a set-aside with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from pipeline.llm.connection import Connections, PassingError, RefusedError
from pipeline.llm.dispatch import Dispatch, Timing
from pipeline.llm.loopback import require_local
from pipeline.llm.messages import ChatRequest, Message, corrected
from pipeline.llm.outcome import (
    InvalidAnswerError,
    Kept,
    LlmUnavailableError,
    Outcome,
    SetAside,
    Trouble,
)
from pipeline.llm.probe import Probe
from pipeline.llm.server import ServerSettings
from pipeline.llm.tally import Tally

T = TypeVar("T")


class LlmClient:
    """A client of all servers of the settings; use it with `async with`, and once.

    `say` hears one line each time a server is put to rest. No prompt or answer is ever logged or in an error.

    Raises:
        UsageError: a server is not on this machine, and `allow_remote` is not set.
        MedsearchError: the packages of the `generate` extra are not installed.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        allow_remote: bool = False,
        say: Callable[[str], None] = lambda _: None,
        timing: Timing | None = None,
    ) -> None:
        for server in settings.base_urls:
            require_local(server, allow_remote=allow_remote)
        self._settings = settings
        self._connections = Connections(settings)
        self._dispatch = Dispatch(settings, self._connections, say, timing or Timing())
        self._probe = Probe(self._connections, settings.base_urls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    async def ask(self, request: ChatRequest, check: Callable[[str], T]) -> Outcome[T]:
        """The checked answer to a request, or why there is none.

        `check` parses and validates an answer's text; where it raises `InvalidAnswerError`, or the answer was
        cut off, the LLM is told so and asked once more.

        Raises:
            LlmUnavailableError: no server answers, after all attempts; nothing is known of this request.
            MedsearchError: a wrong key, an unknown model, a redirect, or settings that the server refuses.
        """
        tally = Tally()
        first = await self._round(request, request.messages, check, tally)
        if not isinstance(first, _Unusable):
            return first
        messages = corrected(request.messages, first.raw, first.complaint)
        second = await self._round(request, messages, check, tally)
        if isinstance(second, _Unusable):
            return SetAside(second.trouble, second.complaint, second.raw, tally.usage())
        if isinstance(second, SetAside):
            # Refused when asked again: the correction made it too long. The first answer is what went wrong.
            reason = first.trouble if second.reason is Trouble.REFUSED_BY_SERVER else second.reason
            detail = f"{first.complaint} When asked again: {second.detail}"
            return SetAside(reason, detail, first.raw, second.usage)
        return second

    async def _round(
        self, request: ChatRequest, messages: tuple[Message, ...], check: Callable[[str], T], tally: Tally
    ) -> Kept[T] | SetAside | _Unusable:
        """One answer, whatever number of attempts it takes, and what `check` says to it."""
        try:
            answer = await self._dispatch.answer(request, messages, tally)
        except RefusedError as refusal:
            if not self._dispatch.answered:
                await self._probe.vet(request)
            return SetAside(Trouble.REFUSED_BY_SERVER, str(refusal), refusal.words, tally.usage())
        except PassingError:
            await self._require_someone(tally)
            detail = f"every attempt failed: {tally.summary()}"
            return SetAside(Trouble.UNREACHABLE, detail, "", tally.usage())
        tally.answers += 1
        if answer.truncated:
            words = f"It was cut off after {self._settings.max_tokens} tokens, the most that are allowed."
            return _Unusable(Trouble.TRUNCATED, words, answer.text)
        if not answer.text.strip():
            return _Unusable(Trouble.INVALID_ANSWER, "It was empty.", answer.text)
        try:
            value = check(answer.text)
        except InvalidAnswerError as complaint:
            return _Unusable(Trouble.INVALID_ANSWER, str(complaint), answer.text)
        return Kept(value, tally.usage(), answer.server, answer.model)

    async def _require_someone(self, tally: Tally) -> None:
        """Stop the run unless a server answers now, be it the probe or another question meanwhile."""
        before = self._dispatch.answered
        if await self._probe.anyone_answers() or self._dispatch.answered > before:
            return
        raise LlmUnavailableError.at(self._settings.base_urls, tally.summary()) from None


@dataclass(frozen=True, slots=True)
class _Unusable:
    """An answer that cannot be used, and the sentence that tells the LLM so."""

    trouble: Trouble
    complaint: str
    raw: str
