"""What is asked of which LLM servers; one record for a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from medsearch.errors import UsageError


class Structured(StrEnum):
    """How a server is told the JSON schema of the answer."""

    JSON_SCHEMA = "json_schema"
    """`{"type": "json_schema", "json_schema": {...}}`: OpenAI's way, and vLLM's."""
    JSON_OBJECT_SCHEMA = "json_object_schema"
    """`{"type": "json_object", "schema": {...}}`: the server of llama-cpp-python."""
    NONE = "none"
    """Not at all: the answer is plain text, or the prompt alone asks for JSON."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Which servers, which model, and how it is asked.

    `base_urls` are of the same model on each; one without a path gets `/v1`. `in_flight` bounds the
    requests under way over all servers together (one more where it must be found out why one failed).
    `timeout_s` is for one whole request. `attempts` counts the first.
    `seed=None` sends no seed: vLLM's CPU engine (0.32) dies at the first request that carries one.

    Raises:
        UsageError: no server or no model is named, one is named twice, or a number is impossible.
    """

    base_urls: tuple[str, ...]
    model: str
    temperature: float
    max_tokens: int
    seed: int | None = None
    in_flight: int = 16
    timeout_s: float = 120.0
    attempts: int = 5
    api_key: str = field(default="none", repr=False)
    structured: Structured = Structured.JSON_SCHEMA

    def __post_init__(self) -> None:
        if not self.base_urls:
            raise UsageError("no LLM server is named: give one in the recipe or in MEDSEARCH_LLM_SERVERS")
        if len(set(self.base_urls)) < len(self.base_urls):
            raise UsageError("an LLM server is named twice: name each once")
        if not self.model:
            raise UsageError("no LLM is named: give its name in the recipe or in MEDSEARCH_LLM_MODEL")
        if min(self.max_tokens, self.in_flight, self.attempts) < 1 or self.timeout_s <= 0:
            raise UsageError("max_tokens, in_flight, attempts and timeout_s of an LLM must be above zero")
