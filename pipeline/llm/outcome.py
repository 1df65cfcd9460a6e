"""What becomes of a question: an answer that is kept, or one that is set aside with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from medsearch.errors import MedsearchError

T = TypeVar("T")


class InvalidAnswerError(Exception):
    """An answer's text cannot be used; the message is one sentence or more, written for the LLM to read."""


class LlmUnavailableError(MedsearchError):
    """No LLM server answers: the run stops, and goes on where it was when it is started again."""

    @classmethod
    def at(cls, servers: tuple[str, ...], reason: str) -> LlmUnavailableError:
        """The error for all of a run's servers, with what they failed by."""
        return cls(
            f"no LLM server answers at {', '.join(servers)} ({reason}); start one with `make llm`, then run "
            f"the same command to go on"
        )


class Trouble(StrEnum):
    """Why an answer was set aside; the value may be counted and logged, it holds nothing of a note."""

    INVALID_ANSWER = "invalid_answer"
    """The validator refused the answer, and the one that followed its message."""
    TRUNCATED = "truncated"
    """The answer was cut off at `max_tokens`, twice."""
    REFUSED_BY_SERVER = "refused_by_server"
    """The server refuses this request, but not others: too long a context, for instance."""
    UNREACHABLE = "unreachable"
    """Every attempt at this request failed though servers were answering others.

    Another day it might be answered, but nothing asks again by itself: a question that was set aside for this
    stays so unless its stage is started anew (`--restart`).
    """


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent; `a + b` is the sum.

    `requests` counts all that were sent, failed ones too, and `retried` those among them that were sent
    again, for whatever reason. `answers` counts the LLM's answers: one, or two where the first could not be
    used. `seconds` is time under way, added up over requests: with 16 in flight about 16 times the clock's.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    retried: int = 0
    seconds: float = 0.0
    answers: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
            self.retried + other.retried,
            self.seconds + other.seconds,
            self.answers + other.answers,
        )


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A checked answer; `server` is the base URL that gave it and `model` the name it gave for its model."""

    value: T
    usage: Usage
    server: str
    model: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """No usable answer. `detail` and `raw` may quote the note: they belong beside the data, not in a log.

    `raw` is the LLM's last answer, or what the server said in its place; empty when nothing came back.
    """

    reason: Trouble
    detail: str
    raw: str
    usage: Usage


Outcome: TypeAlias = Kept[T] | SetAside
