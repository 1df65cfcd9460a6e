"""Training data without leaks: rows that hold a query or an answer of a suite are left out before training.

The contamination ledger says which rows these are; see `medsearch contamination`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.errors import MedsearchError
from medsearch.evaluation.training_facts import LEAKS_LEFT, ROWS_CHECKED, ROWS_WITH_LEAKS
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.workbench.ledger.clean_training import write_clean
from medsearch.workbench.ledger.contamination import ContaminationRequest, Ledger, check_contamination
from pipeline.journal import digest
from pipeline.training.data.clean_record import UNREADABLE, CleanRecord, keep_records, read_records
from pipeline.training.data.clean_store import CleanStore
from pipeline.training.data.clean_suites import CheckedSuite, checked_suites
from pipeline.training.data.source_names import bare

_WORK = "work"


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """What to clean of: names of suites. `folder` is where clean files go, `strict` allows no bad row.

    `shared` is a folder in which runs beside one another leave what they have cleaned (`None`: none).
    """

    suites: tuple[str, ...]
    folder: Path
    strict: bool = False
    shared: Path | None = None


@dataclass(frozen=True, slots=True)
class CleanFile:
    """A source's file without the rows that leak; `counts` say what was found and left out."""

    path: Path
    counts: Mapping[str, int]


def clean_sources(
    files: Mapping[Path, str], request: CleanRequest, settings: Settings, progress: Progress
) -> dict[Path, CleanFile]:
    """For each file (with the name of its source, each its own) the one to train on, `folder`/NAME.jsonl.

    A file that was cleaned before, here or for a run that shares what it cleaned, is not searched again
    unless it, a suite or a corpus of one has changed. With no suite nothing is done, and the original files
    are to be used.

    Raises:
        UsageError: there is no such suite, a corpus of one is not on this machine, or a file cannot be read.
        MedsearchError: all rows of a file leak, a leak is left after all, or with `strict` a row is bad.
    """
    if not request.suites:
        progress.say("the training data is not searched for leaks (the recipe says clean_of = [])")
        return {}
    suites = checked_suites(request.suites, settings)
    named = {file: bare(name) for file, name in files.items()}
    records = read_records(request.folder)
    hashes = {file: digest(file) for file in files}
    known = [(suite.suite.name, suite.key) for suite in suites]
    todo = {
        file: name
        for file, name in named.items()
        if name not in records
        or not records[name].holds(hashes[file], known, request.folder / f"{name}.jsonl")
    }
    if todo:
        cleaning = _Cleaning(suites, request.folder, settings, progress)
        made = cleaning.lent_or_made(CleanStore(request.shared), todo, hashes)
        records = {name: record for name, record in {**records, **made}.items() if name in named.values()}
        keep_records(records, request.folder)
    if request.strict:
        _refuse_bad_rows({file: records[name] for file, name in named.items()})
    return {
        file: CleanFile(request.folder / f"{name}.jsonl", records[name].counts())
        for file, name in named.items()
    }


@dataclass(frozen=True, slots=True)
class _Cleaning:
    suites: Sequence[CheckedSuite]
    folder: Path
    settings: Settings
    progress: Progress

    def lent_or_made(
        self, store: CleanStore, todo: Mapping[Path, str], hashes: Mapping[Path, str]
    ) -> dict[str, CleanRecord]:
        """Take what another run has cleaned, and clean the rest; that is shared in its turn."""
        known = [(suite.suite.name, suite.key) for suite in self.suites]
        lent: dict[str, CleanRecord] = {}
        for file, name in todo.items():
            if (record := store.lend(hashes[file], known, self.folder / f"{name}.jsonl")) is not None:
                lent[name] = record
                self.progress.say(f"{name}: {record.told()}, as another run has found")
        rest = {file: name for file, name in todo.items() if name not in lent}
        made = self.clean(rest, hashes) if rest else {}
        for name, record in made.items():
            store.keep(record, self.folder / f"{name}.jsonl")
            self.progress.say(f"{name}: {record.told()}")
        return lent | made

    def clean(self, todo: Mapping[Path, str], hashes: Mapping[Path, str]) -> dict[str, CleanRecord]:
        """Clean the files of one suite after the other, prove it, and only then put them in place."""
        work = self.folder / _WORK
        shutil.rmtree(work, ignore_errors=True)
        now = {name: file for file, name in todo.items()}  # what is left of each so far
        counts: dict[str, Counter[str]] = {name: Counter() for name in now}
        rows: Counter[str] = Counter()
        for number, suite in enumerate(self.suites):
            ledger = self._ledger(tuple(now.values()), suite)
            (work / str(number)).mkdir(parents=True)
            for (name, file), tally in zip(list(now.items()), ledger.train, strict=True):
                now[name] = work / str(number) / f"{name}.jsonl"
                cleaned = write_clean(tally, (), now[name])
                if not cleaned.kept:
                    raise MedsearchError(f"{file}: every row leaks into {suite.suite.name}: leave it out")
                rows[name] = max(rows[name], tally.rows)
                lost = Counter({UNREADABLE: cleaned.unreadable, ROWS_WITH_LEAKS: cleaned.leaking})
                counts[name] += lost + _by_benchmark(ledger, file)
        self._prove([now[name] for name in now if counts[name]])
        made = {}
        for file, name in todo.items():
            now[name].replace(self.folder / f"{name}.jsonl")
            made[name] = CleanRecord(
                source=hashes[file],
                suites=tuple((each.suite.name, each.key) for each in self.suites),
                sha256=digest(self.folder / f"{name}.jsonl"),
                found={ROWS_CHECKED: rows[name], LEAKS_LEFT: 0, ROWS_WITH_LEAKS: 0} | dict(counts[name]),
            )
        shutil.rmtree(work)
        return made

    def _ledger(self, files: tuple[Path, ...], suite: CheckedSuite) -> Ledger:
        self.progress.say(f"searching training data for leaks: {suite.suite.name}")
        request = ContaminationRequest(files, suite.suite)
        ledger = check_contamination(request, self.settings, self.progress)
        for remark in (*ledger.remarks, *map(": ".join, ledger.benchmarks.unchecked.items())):
            self.progress.say(f"{suite.suite.name}: {remark}")
        return ledger

    def _prove(self, changed: list[Path]) -> None:
        """Check again every file of which something was left out; the others were just seen to be clean."""
        for suite in self.suites if changed else ():
            ledger = self._ledger(tuple(changed), suite)
            if ledger.leaks:
                names = ", ".join(tally.file.path.name for tally in ledger.train if tally.leaking)
                raise MedsearchError(
                    f"{names}: leaks into {suite.suite.name} are left after cleaning ({ledger.leaks:,}): "
                    "this is a fault of medsearch, please report it"
                )


def _by_benchmark(ledger: Ledger, file: Path) -> Counter[str]:
    """Pairs of a training text and a benchmark's, by benchmark, as far as the ledger lists them."""
    return Counter(f"leaks into {pair.owner.task}" for pair in ledger.pairs if pair.file == file)


def _refuse_bad_rows(records: Mapping[Path, CleanRecord]) -> None:
    for file, record in records.items():
        if bad := record.found.get(UNREADABLE, 0):
            raise MedsearchError(
                f"{file} has rows that cannot be read ({bad:,}), and so not be checked for leaks; without "
                "--strict they are left out"
            )
