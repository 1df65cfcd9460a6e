"""The contamination ledger: which texts of a training set are, or nearly are, those of a suite's benchmarks.

A leak is a training text, whatever its role, that overlaps a query of an evaluated split or a document that
is relevant to one. Overlap with other documents of the corpus gives no answer away and is only counted:
training on the train split of a corpus must have some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from medsearch.evaluation.overlap.found import Kind
from medsearch.evaluation.overlap.index import Overlap, OverlapIndex
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.workbench.ledger.benchmark_texts import START, Benchmarks, Owner, Part, read_benchmarks
from medsearch.workbench.ledger.fields import TrainingText
from medsearch.workbench.ledger.training_files import TrainingFile, files_with_texts, training_files
from medsearch.workbench.ledger.training_texts import Reading, read_training_texts
from medsearch.workbench.suites import Suite

LISTED = 10_000
"""Pairs that are listed; all are counted."""

_TEXTS_AT_ONCE = 2_000
_CHARACTERS_AT_ONCE = 4_000_000
_STRENGTH = {kind: number for number, kind in enumerate(reversed(Kind))}


@dataclass(frozen=True, slots=True)
class ContaminationRequest:
    """What to check. `fields` names those to read (empty: detected); `show_text` keeps words of each pair."""

    train: tuple[Path, ...]
    suite: Suite
    fields: tuple[str, ...] = ()
    show_text: bool = False


@dataclass(frozen=True, slots=True)
class LeakingPair:
    """A training text and the benchmark's text that it overlaps; their words are empty unless asked for."""

    file: Path
    found_in: TrainingText
    owner: Owner
    kind: Kind
    similarity: float
    benchmark_text: str


@dataclass(slots=True)
class TrainTally:
    """What was read of a training file, and its rows with a leak."""

    file: TrainingFile
    rows: int = 0
    texts: int = 0
    leaking: set[int] = field(default_factory=set)


@dataclass(slots=True)
class TaskTally:
    """What of a task is in the training set: for each part, id -> how at its surest. `leaks` counts pairs."""

    overlaps: dict[Part, dict[str, Kind]] = field(default_factory=lambda: {part: {} for part in Part})
    leaked: set[str] = field(default_factory=set)
    leaks: int = 0


@dataclass(slots=True)
class Ledger:
    """All that was found; `pairs` lists the first `LISTED` leaks, `remarks` what else must be said."""

    request: ContaminationRequest
    benchmarks: Benchmarks
    train: list[TrainTally]
    tasks: dict[str, TaskTally]
    reading: Reading
    remarks: list[str]
    pairs: list[LeakingPair] = field(default_factory=list)
    roles: Counter[str] = field(default_factory=Counter)

    @property
    def leaks(self) -> int:
        """Pairs of a training text and a query or relevant document."""
        return sum(task.leaks for task in self.tasks.values())

    @property
    def incomplete(self) -> bool:
        """Whether some of the training set could not be read, so that it may leak unseen."""
        return self.reading.unreadable.count > 0


def check_contamination(request: ContaminationRequest, settings: Settings, progress: Progress) -> Ledger:
    """Read the benchmarks, then every training text past them; memory does not grow with the training set.

    Raises:
        UsageError: a file, a field, a corpus or a split is not there.
        MedsearchError: a training file that is named holds no text at all, or a corpus cannot be read.
    """
    files, remarks = files_with_texts(training_files(request.train), request.fields)
    benchmarks = read_benchmarks(request.suite, settings, progress, keep_starts=request.show_text)
    progress.say(f"Indexing {len(benchmarks.texts):,} texts of {len(benchmarks.tasks)} benchmarks")
    index = OverlapIndex.of(benchmarks.texts.words())
    tasks = {name: TaskTally() for name in benchmarks.tasks}
    reading, tallies = Reading(request.fields), [TrainTally(file) for file in files]
    ledger = Ledger(request, benchmarks, tallies, tasks, reading, [*benchmarks.remarks, *remarks])
    for tally in ledger.train:
        with progress.stage(f"Checking {tally.file.path.name}", tally.file.lines or None) as advance:
            for block, rows in _blocks(tally, reading):
                found = index.find([text.text for text in block])
                for _, overlaps in groupby(found, key=lambda one: _place(block[one.row])):
                    _account(ledger, tally, block, list(overlaps))
                advance(rows)
    return ledger


def _place(text: TrainingText) -> tuple[int, str]:
    return text.row, text.field


def _blocks(tally: TrainTally, reading: Reading) -> Iterator[tuple[list[TrainingText], int]]:
    """Texts by the block, and how many rows each block ends."""
    block: list[TrainingText] = []
    characters, rows = 0, 0
    for _, texts in read_training_texts(tally.file.path, reading):
        block += texts
        characters += sum(len(text.text) for text in texts)
        rows += 1
        tally.rows += 1
        tally.texts += len(texts)
        if len(block) >= _TEXTS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield block, rows
            block, characters, rows = [], 0, 0
    yield block, rows


def _account(ledger: Ledger, tally: TrainTally, block: list[TrainingText], overlaps: list[Overlap]) -> None:
    """Enter what one field of a row overlaps, once under each task and id that has such a text."""
    surest: dict[Owner, Overlap] = {}
    for overlap in overlaps:
        for owner in ledger.benchmarks.owners.get(overlap.text, ()):
            known = surest.setdefault(owner, overlap)
            surest[owner] = max(known, overlap, key=lambda one: (_STRENGTH[one.kind], one.similarity))
    for owner, overlap in surest.items():
        task = ledger.tasks[owner.task]
        kind = task.overlaps[owner.part].get(owner.text_id, overlap.kind)
        task.overlaps[owner.part][owner.text_id] = max(kind, overlap.kind, key=_STRENGTH.__getitem__)
        if owner.part is not Part.DOCUMENT:
            text = block[overlap.row]
            task.leaks += 1
            task.leaked |= _queries(ledger.benchmarks, owner)
            tally.leaking.add(text.row)
            ledger.roles[text.role] += 1
            if len(ledger.pairs) < LISTED:
                ledger.pairs.append(_pair(ledger, tally, text, owner, overlap))


def _pair(
    ledger: Ledger, tally: TrainTally, text: TrainingText, owner: Owner, overlap: Overlap
) -> LeakingPair:
    """The pair as it is listed, with words of both texts only where they were asked for."""
    start = (ledger.benchmarks.starts or {}).get(overlap.text, "")
    shown = text.text[:START] if ledger.request.show_text else ""
    place = TrainingText(text.row, text.field, text.role, shown)
    return LeakingPair(tally.file.path, place, owner, overlap.kind, overlap.similarity, start)


def _queries(benchmarks: Benchmarks, owner: Owner) -> set[str]:
    """The queries that a leaked text gives away."""
    if owner.part is Part.QUERY:
        return {owner.text_id}
    return set(benchmarks.tasks[owner.task].answers[owner.text_id])
