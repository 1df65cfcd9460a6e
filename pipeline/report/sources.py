"""Which documents the passages of a data set come from, under which licences, and on which sides they are."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pydantic import ValidationError

from medsearch.errors import MedsearchError
from pipeline.records import SourceDocument, Split
from pipeline.report.licences import Freedom, freedom_of
from pipeline.run_folder import RunFolder

Used = Mapping[str, Mapping[Split, Set[str]]]
"""Run -> split -> ids of the passages that its rows show, be it as positive or as negative."""


@dataclass(slots=True)
class Sources:
    """Documents by corpus and licence, and those documents and groups that stand in train and in dev."""

    documents: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    passages: Counter[tuple[str, str]] = field(default_factory=Counter)
    sides: dict[Split, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    groups: dict[Split, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))

    def add(self, source: SourceDocument, splits: Sequence[Split]) -> None:
        """Count one passage that rows of these splits show."""
        key = (source.corpus, source.licence)
        self.passages[key] += 1
        self.documents[key].add(source.doc_id)
        for split in splits:
            self.sides[split].add((source.corpus, source.doc_id))
            if source.group:
                self.groups[split].add((source.corpus, source.group))

    def corpora(self) -> list[str]:
        """The corpora, by name."""
        return sorted({corpus for corpus, _ in self.passages})

    def licences(self) -> list[str]:
        """The licences as stated, by name; an empty one where none is."""
        return sorted({licence for _, licence in self.passages})

    def not_free(self) -> dict[str, int]:
        """Licence -> documents, of the licences that forbid some uses or are not known."""
        counts: Counter[str] = Counter()
        for (_, licence), documents in self.documents.items():
            if freedom_of(licence) in (Freedom.RESTRICTED, Freedom.UNKNOWN):
                counts[licence] += len(documents)
        return dict(counts.most_common())

    def in_both(self) -> tuple[int, int]:
        """How many documents, and how many groups, are shown in train and in dev."""
        train, dev = Split.TRAIN, Split.DEV
        return len(self.sides[train] & self.sides[dev]), len(self.groups[train] & self.groups[dev])


def read_sources(runs: Sequence[RunFolder], used: Used) -> Sources:
    """The sources of the passages in use, from the runs' pools; one passage at a time is in memory.

    Raises:
        MedsearchError: a pool is missing or damaged, or lacks a passage of a triplet.
    """
    sources = Sources()
    for run in runs:
        by_split = used.get(run.name, {})
        missing = set().union(*by_split.values())
        for passage_id, source in _pool_sources(run):
            splits = [split for split, ids in by_split.items() if passage_id in ids]
            if splits:
                sources.add(source, splits)
                missing.discard(passage_id)
        if missing:
            raise MedsearchError(
                f"{run.pool_file} lacks {len(missing):,} passages of {run.triplets.name}, as "
                f"{min(missing)!r}: it was made anew, so run `python -m pipeline mine --run {run.name}`"
            )
    return sources


def _pool_sources(run: RunFolder) -> Iterator[tuple[str, SourceDocument]]:
    if not run.pool_file.is_file():
        raise MedsearchError(f"{run.pool_file} is not there: it says where the passages come from")
    with run.pool_file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                yield record["_id"], SourceDocument.model_validate(record["metadata"])
            except (ValueError, KeyError, TypeError, ValidationError):
                raise MedsearchError(
                    f"{run.pool_file}:{number} is not a passage: make this run's pool anew"
                ) from None
