"""What one question has cost so far, and how its attempts failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipeline.llm.outcome import Usage


@dataclass(slots=True)
class Tally:
    """Counts over all requests that one question leads to; `failures` holds nothing of the question."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    answers: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    def usage(self) -> Usage:
        """The counts as they are now."""
        retried = max(0, self.requests - 1)
        return Usage(
            self.prompt_tokens, self.completion_tokens, self.requests, retried, self.seconds, self.answers
        )

    def summary(self) -> str:
        """How the attempts failed, for people: `HTTP 500 (3x), no connection (2x)`."""
        return ", ".join(f"{reason} ({times}x)" for reason, times in self.failures.items())
