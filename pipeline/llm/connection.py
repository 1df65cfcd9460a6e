"""One request to one server, and what its failure means: it passes, it is this request's, or the run's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, cast

from medsearch.errors import MedsearchError
from pipeline.llm.loopback import endpoint
from pipeline.llm.messages import ChatRequest, Message, response_format
from pipeline.llm.server import ServerSettings

if TYPE_CHECKING:
    import httpx2
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI
    from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

_CONNECT_SECONDS = 10.0
_WORDS = 500
_MOST_TOKENS = 1 << 40
_NOT_OPENAI = "its answer is not one of an OpenAI-compatible server"

T = TypeVar("T")


class PassingError(Exception):
    """A request failed in a way that may pass; `busy` when the server only said it has too much to do."""

    def __init__(self, reason: str, *, busy: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.busy = busy
        self.retry_after = retry_after


class RefusedError(Exception):
    """The server does not take this request; `words` are the server's, and may quote the request."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}" if words else f"HTTP {status}")
        self.words = words


@dataclass(frozen=True, slots=True)
class Completion:
    """An LLM's answer; `truncated` when it was cut off at `max_tokens`.

    `text` and `model` can be written as UTF-8: for half a surrogate pair there stands U+FFFD.
    """

    text: str
    truncated: bool
    server: str
    model: str
    prompt_tokens: int
    completion_tokens: int


class Connections:
    """Open connections to every server of the settings; closed by `close`.

    Redirects are not followed and proxies of the environment not used: either could carry a note elsewhere.
    """

    def __init__(self, settings: ServerSettings) -> None:
        import httpx2
        from openai import AsyncOpenAI

        self._settings = settings
        self._http = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(settings.timeout_s, connect=min(_CONNECT_SECONDS, settings.timeout_s)),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=settings.in_flight),
        )
        self._clients: dict[str, AsyncOpenAI] = {
            server: AsyncOpenAI(
                base_url=endpoint(server),
                api_key=settings.api_key or "none",
                max_retries=0,
                http_client=self._http,
            )
            for server in settings.base_urls
        }

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def complete(self, server: str, request: ChatRequest, messages: tuple[Message, ...]) -> Completion:
        """The answer to `messages`, asked for in the way of `request`.

        Raises:
            PassingError: no server there, no answer in time, a broken one, or HTTP 408, 409, 429 or 5xx.
            RefusedError: another HTTP 4xx.
            MedsearchError: a wrong key, an unknown model or a redirect, which every request would meet.
        """
        from openai import omit

        settings = self._settings
        wanted = response_format(request, settings.structured)
        turns = [{"role": message.role, "content": message.content} for message in messages]
        answer = await self._call(
            server,
            self._clients[server].chat.completions.create(
                model=settings.model,
                messages=cast("list[ChatCompletionMessageParam]", turns),
                temperature=settings.temperature,
                max_tokens=settings.max_tokens,
                seed=omit if settings.seed is None else settings.seed,
                stop=list(request.stop) or omit,
                extra_body={"response_format": wanted} if wanted else None,
            ),
            self._settings.timeout_s,
        )
        return _completion(answer, server, settings.model)

    async def models(self, server: str) -> tuple[str, ...]:
        """The names of the models that a server serves.

        Raises:
            PassingError, RefusedError, MedsearchError: as `complete`.
        """
        timeout_s = min(_CONNECT_SECONDS, self._settings.timeout_s)
        found = await self._call(server, self._clients[server].get("/models", cast_to=object), timeout_s)
        listed = found.get("data") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise PassingError("its list of models is not one of an OpenAI-compatible server")
        return tuple(_whole(str(one["id"])) for one in listed if isinstance(one, dict) and "id" in one)

    async def _call(self, server: str, call: Awaitable[T], timeout_s: float) -> T:
        """Await `call`; errors are re-raised without their cause, whose text may quote the request."""
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        try:
            # httpx's time-outs are for each read: a server that trickles its answer would never meet them.
            async with asyncio.timeout(timeout_s):
                return await call
        except (TimeoutError, APITimeoutError):
            raise PassingError(f"no answer within {timeout_s:g} s") from None
        except APIConnectionError as error:
            raise PassingError(_connection_trouble(error)) from None
        except APIStatusError as error:
            raise _status_trouble(error, server, self._settings.model) from None
        except (APIError, ValueError, RecursionError):  # the last: brackets in brackets, thousands deep
            raise PassingError(_NOT_OPENAI) from None


def _completion(answer: ChatCompletion, server: str, model: str) -> Completion:
    """What an answer holds; openai does not check that it holds what its type says, if it is one at all."""
    try:
        choice = answer.choices[0]
        text = choice.message.content or ""
        truncated = choice.finish_reason == "length"
    except (AttributeError, IndexError, KeyError, TypeError):
        raise PassingError(_NOT_OPENAI) from None
    if not isinstance(text, str):
        raise PassingError(_NOT_OPENAI)
    usage = getattr(answer, "usage", None)
    return Completion(
        text=_whole(text),
        truncated=truncated,
        server=server,
        model=_whole(str(getattr(answer, "model", None) or model)),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _count(usage: object, name: str) -> int:
    value = getattr(usage, name, 0)
    return value if isinstance(value, int) and 0 <= value <= _MOST_TOKENS else 0


def _whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair: JSON can carry those, UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _connection_trouble(error: APIConnectionError) -> str:
    import httpx2

    refused = isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
    return "no connection" if refused else "the connection broke"


def _status_trouble(error: APIStatusError, server: str, model: str) -> Exception:
    status = error.status_code
    if status in (408, 409) or status >= 500:
        return PassingError(f"HTTP {status}", retry_after=_retry_after(error.response))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return PassingError("HTTP 429", busy=True, retry_after=_retry_after(error.response))
    if status in (401, 403):
        return MedsearchError(
            f"the LLM server {server} does not accept the key (HTTP {status}): set MEDSEARCH_LLM_KEY"
        )
    if status == HTTPStatus.NOT_FOUND:
        return MedsearchError(
            f"the LLM server {server} has no model {model!r}, or is no OpenAI-compatible server (HTTP 404): "
            f"check the model's name and the server's address"
        )
    if status < 400:
        return MedsearchError(
            f"the LLM server {server} sends requests on to another address (HTTP {status}), which is not "
            f"followed: name the server itself"
        )
    return RefusedError(status, _words(error))


def _words(error: APIStatusError) -> str:
    body = error.body
    said = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    return _whole(" ".join(str(said or "").split())[:_WORDS])


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds to wait, by RFC 9110's Retry-After: a number, or a date."""
    said = response.headers.get("retry-after", "")
    try:
        return float(said)
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
