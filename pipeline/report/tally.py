"""What a data set holds, counted while its rows are written: only hashes and ids stay in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pipeline.held_out import text_key
from pipeline.records import LlmCall, QueryKind, Split, TripletRow
from pipeline.report.lengths import Lengths

OPENING_WORDS = 3


@dataclass(slots=True)
class Tally:
    """Counts over all rows. `used` holds run -> split -> ids of the passages that its rows show."""

    rows: Counter[Split] = field(default_factory=Counter)
    kinds: Counter[tuple[str, QueryKind, Split]] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    negatives: Counter[int] = field(default_factory=Counter)
    found_by: Counter[str] = field(default_factory=Counter)
    llms: Counter[tuple[str, str, int, float, str]] = field(default_factory=Counter)
    servers: set[str] = field(default_factory=set)
    queries: dict[Split, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    used: dict[str, dict[Split, set[str]]] = field(default_factory=dict)
    openings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    ungrouped: int = 0
    query_lengths: Lengths = field(default_factory=Lengths)
    positive_lengths: Lengths = field(default_factory=Lengths)
    negative_lengths: Lengths = field(default_factory=Lengths)

    def add(self, run: str, row: TripletRow) -> None:
        """Count one row of a run."""
        corpus = row.source.corpus
        self.runs[run] += 1
        self.rows[row.split] += 1
        self.kinds[corpus, row.kind, row.split] += 1
        self.negatives[len(row.negatives)] += 1
        self.found_by.update(row.found_by)
        self.ungrouped += not row.source.group
        self.queries[row.split].add(text_key(row.query))
        self.used.setdefault(run, defaultdict(set))[row.split].update((row.positive_id, *row.negative_ids))
        self._add_lengths(row)
        if row.llm is not None:
            self._add_llm(row.llm)
        if row.kind is QueryKind.JUDGED:
            self.openings[corpus][" ".join(row.query.lower().split()[:OPENING_WORDS])] += 1

    @property
    def total(self) -> int:
        """How many rows there are."""
        return self.rows.total()

    def queries_in_both(self) -> int:
        """How many queries are in train and in dev, letter case and punctuation apart."""
        return len(self.queries[Split.TRAIN] & self.queries[Split.DEV])

    def _add_lengths(self, row: TripletRow) -> None:
        self.query_lengths.add(row.query)
        self.positive_lengths.add(row.positive)
        for negative in row.negatives:
            self.negative_lengths.add(negative)

    def _add_llm(self, llm: LlmCall) -> None:
        seed = "none sent" if llm.seed is None else str(llm.seed)
        self.llms[llm.model, llm.prompt, llm.prompt_version, llm.temperature, seed] += 1
        self.servers.add(llm.server)
