"""How much went into a stage, what was kept, what was dropped and why, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Yield:
    """Counts of one stage, added up over all its sittings; `seconds` is working time.

    `dropped` counts by reason; `seen` other things worth telling (exact quotations, masked dates …).
    """

    taken: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    seconds: float = 0.0

    def add(self, other: Yield) -> None:
        """Add another's counts to these."""
        self.taken += other.taken
        self.kept += other.kept
        self.dropped += other.dropped
        self.seen += other.seen
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.requests += other.requests
        self.seconds += other.seconds

    def record(self) -> dict[str, object]:
        """As JSON; but for the first two, what is zero or empty is left out."""
        record: dict[str, object] = {
            "taken": self.taken,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "seen": dict(sorted(self.seen.items())),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
        }
        return {name: value for name, value in record.items() if value or name in ("taken", "kept")}

    @classmethod
    def from_record(cls, record: dict[str, object]) -> Yield:
        """The counts of `record()`."""
        known = {name: value for name, value in record.items() if name not in ("dropped", "seen")}
        dropped, seen = record.get("dropped", {}), record.get("seen", {})
        assert isinstance(dropped, dict)
        assert isinstance(seen, dict)
        return cls(**known, dropped=Counter(dropped), seen=Counter(seen))  # type: ignore[arg-type]  # JSON

    def table(self, taken: str, kept: str) -> list[Sequence[str]]:
        """Rows of a table for people: what, how many, and the share of what went in."""

        def share(count: int) -> str:
            return f"{100 * count / self.taken:.1f} %" if self.taken else ""

        rows: list[Sequence[str]] = [
            (taken, f"{self.taken:,}", ""),
            (kept, f"{self.kept:,}", share(self.kept)),
        ]
        rows += [(f"dropped: {why}", f"{count:,}", share(count)) for why, count in self.dropped.most_common()]
        rows += [(what, f"{count:,}", "") for what, count in sorted(self.seen.items())]
        if self.requests:
            rows.append(("requests to the LLM", f"{self.requests:,}", ""))
            rows.append(("tokens in prompts", f"{self.prompt_tokens:,}", ""))
            rows.append(
                ("tokens in answers", f"{self.completion_tokens:,}", self._rate(self.completion_tokens))
            )
        rows.append(("seconds", f"{self.seconds:,.1f}", ""))
        return rows

    def _rate(self, tokens: int) -> str:
        return f"{tokens / self.seconds:.1f} a second" if self.seconds else ""
