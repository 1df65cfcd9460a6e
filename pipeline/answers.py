"""The answers of an LLM: their JSON schema, and how each is checked before it is believed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.errors import first_fault
from pipeline.llm.outcome import InvalidAnswerError
from pipeline.prompting import Prompt
from pipeline.recipe import Mode
from pipeline.records import QueryKind


class Written(BaseModel):
    """One query as the LLM wrote it; `passage` is empty only where the evidence was given to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: QueryKind
    query: str = Field(min_length=3, max_length=300)
    passage: str = Field(default="", max_length=2_000)
    relevance: int = Field(ge=1, le=5, strict=True)


def schema_of(prompt: Prompt, kinds: dict[QueryKind, int]) -> dict[str, object] | None:
    """The JSON schema of the wanted answer; `None` where the answer is plain text."""
    if prompt.answer == "text":
        return None
    parts: dict[str, object] = {
        "query": {"type": "string", "minLength": 3, "maxLength": 300},
        "passage": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "relevance": {"type": "integer", "minimum": 1, "maximum": 5},
    }
    if prompt.mode is Mode.ONE:
        return _object(parts)
    total = sum(kinds.values())
    item = _object({"kind": {"type": "string", "enum": [kind.value for kind in kinds]}, **parts})
    return _object({"queries": {"type": "array", "items": item, "minItems": total, "maxItems": total}})


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def checker(prompt: Prompt, kinds: dict[QueryKind, int]) -> Callable[[str], tuple[Written, ...]]:
    """A function that turns an answer's text into the queries asked for, or says to the LLM what is wrong.

    It raises InvalidAnswerError: the message goes back to the LLM once.
    """
    if prompt.answer == "text":
        return lambda text: (_from_text(text, next(iter(kinds))),)
    if prompt.mode is Mode.ONE:
        return lambda text: (_quoting({**_parsed(text), "kind": next(iter(kinds))}),)
    return lambda text: _six(_parsed(text), kinds)


_UNFIT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]")
"""Control characters, and what stands for a character that came broken."""

_LINE = re.compile(r"^\s*(query|relevance)\s*:\s*(.*?)\s*$", re.IGNORECASE)


def _from_text(text: str, kind: QueryKind) -> Written:
    lines = dict[str, str]()
    for line in text.splitlines():
        if found := _LINE.match(line):
            lines.setdefault(found[1].lower(), found[2])
    if not lines.get("query"):
        raise InvalidAnswerError("There must be a line that begins with 'Query:'.")
    if not re.fullmatch(r"[1-5]", lines.get("relevance", "")):
        raise InvalidAnswerError("There must be a line 'Relevance:' with a number from 1 to 5.")
    return _from_json({"kind": kind, "query": lines["query"], "relevance": int(lines["relevance"])})


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
        json.dumps(answer, ensure_ascii=False).encode()  # fails on half a surrogate pair, given as an escape
    except (ValueError, RecursionError):
        raise InvalidAnswerError("It is not valid JSON.") from None
    if not isinstance(answer, dict):
        raise InvalidAnswerError("It must be one JSON object.")
    return answer


def _six(answer: dict[str, Any], kinds: dict[QueryKind, int]) -> tuple[Written, ...]:
    queries = answer.get("queries")
    if not isinstance(queries, list) or set(answer) != {"queries"}:
        raise InvalidAnswerError("The object must have one member, 'queries', which is a list.")
    written = tuple(_quoting(query) for query in queries)
    found = Counter(query.kind for query in written)
    for kind, count in kinds.items():
        if found[kind] != count:
            raise InvalidAnswerError(f"{count} queries of kind {kind} are wanted, not {found[kind]}.")
    if len(written) != sum(kinds.values()):
        raise InvalidAnswerError(f"{sum(kinds.values())} queries are wanted, not {len(written)}.")
    return written


def _quoting(record: object) -> Written:
    written = _from_json(record)
    if not any(letter.isalnum() for letter in written.passage):
        raise InvalidAnswerError("passage: The words of the note that answer the query are missing.")
    return written


def _from_json(record: object) -> Written:
    try:
        written = Written.model_validate(record)
    except ValidationError as error:
        raise InvalidAnswerError(f"{first_fault(error, whole='each query')}.") from None
    if not any(letter.isalpha() for letter in written.query):
        raise InvalidAnswerError("The query must have words.")
    if _UNFIT.search(written.query):
        raise InvalidAnswerError("The query must not hold control characters or broken ones.")
    return written
