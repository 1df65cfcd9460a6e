"""HTTP with bounded patience: time-outs, a few tries with growing waits, and reasons that fit on one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from medsearch.errors import CorpusError

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 10.0
_RETRIES = 3
_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 30.0
_BUSY = frozenset({408, 429, 500, 502, 503, 504})

_T = TypeVar("_T")


class FetchError(CorpusError):
    """Something could not be fetched; the message is only the reason, for the caller to put in its place."""


def http_client() -> httpx.Client:
    """A client that follows redirects and never waits longer than `TIMEOUT_SECONDS` for a sign of life."""
    import httpx

    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True)


def read_small(url: str, client: httpx.Client) -> bytes:
    """The body of a small answer: a listing, a record.

    Raises:
        FetchError: unreachable or refused.
    """
    return try_again(lambda: client.get(url).raise_for_status().content)


def try_again(action: Callable[[], _T], *, done: Callable[[], int] = lambda: 0) -> _T:
    """Run `action` until it succeeds: as long as `done` grows from try to try, and three times where not.

    A server that cannot be connected to at all gets one more try, so that offline is said within seconds.

    Raises:
        FetchError: the tries are used up, or the error is not one that passes.
    """
    import httpx

    failures = 0
    while True:
        before = done()
        try:
            return action()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failures = 0 if done() > before else failures + 1
            if failures > _patience(error, done()):
                raise FetchError(reason_of(error)) from error
            time.sleep(_wait_seconds(error, failures))


def reason_of(error: Exception) -> str:
    """What went wrong, on one line."""
    import httpx

    if (response := _response(error)) is not None:
        return f"it answered HTTP {response.status_code}"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_SECONDS:.0f} seconds"
    return " ".join(str(error).split()) or type(error).__name__


def _patience(error: Exception, done: int) -> int:
    """How many tries without progress are worth it."""
    import httpx

    if (response := _response(error)) is not None:
        return _RETRIES if response.status_code in _BUSY else 0
    if not isinstance(error, httpx.TransportError) or isinstance(error, httpx.UnsupportedProtocol):
        return 0
    return 1 if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not done else _RETRIES


def _wait_seconds(error: Exception, failures: int) -> float:
    response = _response(error)
    asked = "" if response is None else response.headers.get("Retry-After", "")
    wait = float(asked) if asked.isdigit() else _FIRST_WAIT_SECONDS * 2**failures
    return min(wait, _LONGEST_WAIT_SECONDS)


def _response(error: Exception) -> httpx.Response | None:
    """The answer behind an error of httpx or of `huggingface_hub`, whose errors are httpx errors as well."""
    import httpx

    response = getattr(error, "response", None)
    return response if isinstance(response, httpx.Response) else None
