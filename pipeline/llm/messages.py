"""What is sent to an LLM, and how it is told what was wrong with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.llm.server import Structured


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. `schema` is the answer's JSON schema, `None` for plain text; `stop` ends the answer."""

    messages: tuple[Message, ...]
    schema: Mapping[str, object] | None
    schema_name: str
    stop: tuple[str, ...] = ()


def corrected(messages: tuple[Message, ...], answer: str, complaint: str) -> tuple[Message, ...]:
    """The conversation so far, the answer that was not accepted, and why."""
    again = Message(
        "user", f"That answer cannot be used: {complaint} Answer again, with nothing but the answer."
    )
    # Some chat templates refuse an empty turn.
    return (*messages, Message("assistant", answer), again) if answer.strip() else (*messages, again)


def response_format(request: ChatRequest, structured: Structured) -> dict[str, object] | None:
    """The `response_format` of the request's JSON body; `None` sends none."""
    if request.schema is None or structured is Structured.NONE:
        return None
    if structured is Structured.JSON_OBJECT_SCHEMA:
        return {"type": "json_object", "schema": dict(request.schema)}
    named = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
    return {"type": "json_schema", "json_schema": named}
