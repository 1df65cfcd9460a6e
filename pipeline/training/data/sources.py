"""The training examples of runs and files: read, checked, each used once."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from medsearch.errors import MedsearchError, UsageError, first_fault
from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from pipeline.journal import digest
from pipeline.records import PairRow, Split, TripletRow
from pipeline.run_folder import open_run
from pipeline.training.data.source_names import numbered
from pipeline.training.job import TrainingExample, TrainingSource
from pipeline.training.recipe import DataTable

if TYPE_CHECKING:
    from pipeline.training.data.clean import CleanFile

_REJECTS_KEPT = 10_000


@dataclass(slots=True)
class SourceReader:
    """Reads sources one after the other; a pair of texts that an earlier one had is not used again.

    `strict` stops at the first row that cannot be used; else it is counted and kept in `rejects`. Without
    `negatives` a run's pairs are read even where it has triplets: what is not trained on cannot leak either.
    """

    runs: Path
    seed: int
    progress: Progress
    strict: bool = False
    negatives: bool = True
    rejects: list[dict[str, object]] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def files(self, tables: Sequence[DataTable]) -> dict[Path, str]:
        """The files that a recipe names, with the names of their sources, each its own.

        Raises:
            UsageError: a run or file is not there; the message says what makes it.
        """
        places = {file: name for name, file in map(self._place, tables)}
        return dict(zip(places, numbered(places.values()), strict=True))

    def read(
        self, tables: Sequence[DataTable], clean: Mapping[Path, CleanFile] | None = None
    ) -> tuple[TrainingSource, ...]:
        """Every source that a recipe names; a file in `clean` is read from there.

        Raises:
            UsageError: a run or file is not there; the message says what makes it.
            MedsearchError: a source has no row to train on, or with `strict` a row cannot be used.
        """
        with self.progress.stage("reading examples", len(tables)) as done:
            found, names = [], self.files(tables)
            for table in tables:
                _, file = self._place(table)
                found.append(self._source(table, names[file], (clean or {}).get(file, file)))
                done(1)
        return tuple(found)

    def keep_rejects(self, file: Path) -> None:
        """Write the rows that could not be used, if there are any: file, line and reason of each."""
        if self.rejects:
            lines = (json.dumps(reject, ensure_ascii=False) + "\n" for reject in self.rejects)
            replace_file(file, "".join(lines).encode())

    def _source(self, table: DataTable, name: str, place: Path | CleanFile) -> TrainingSource:
        file, known = (place, {}) if isinstance(place, Path) else (place.path, place.counts)
        counts: Counter[str] = Counter(known)
        rows = list(self._examples(file, counts))
        if counts["bad"]:
            self.progress.say(f"{name}: {_rows(counts['bad'])} could not be used, set aside")
        if not rows:
            told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "it is empty"
            raise MedsearchError(f"{file} has no row to train on ({told}): only rows of split train are used")
        if table.rows and table.rows < len(rows):
            rows = _drawn(rows, table, self.seed)
        counts["used"] = len(rows)
        return TrainingSource(
            name, table.weight, tuple(rows), file, digest(file), dict(counts), together=table.together
        )

    def _place(self, table: DataTable) -> tuple[str, Path]:
        if table.file:
            file = Path(table.file).expanduser()
            if not file.is_file():
                raise UsageError(
                    f"there is no file {file} (data.file is looked up from the working directory)"
                )
            return file.name, file
        run = open_run(table.run, self.runs)
        if not run.path.is_dir():
            raise UsageError(f"no run called {run.name!r} in {self.runs}: {_made_by(run.name)}")
        for file in (run.triplets, run.pairs) if self.negatives else (run.pairs, run.triplets):
            if file.is_file() and file.stat().st_size:
                return run.name, file
        raise UsageError(
            f"run {run.name!r} has neither triplets nor pairs yet: `python -m pipeline mine --run {run.name}`"
            " makes triplets, after `filter` or `convert` has made pairs"
        )

    def _examples(self, file: Path, counts: Counter[str]) -> Iterator[TrainingExample]:
        for number, line in _lines(file):
            row = self._row(file, number, line, counts)
            if row is None:
                continue
            if row.split not in (Split.TRAIN, None):
                counts["of another split"] += 1
                continue
            if (key := (row.query, row.positive)) in self._seen:
                counts["seen before"] += 1
                continue
            self._seen.add(key)
            negatives = row.negatives if isinstance(row, TripletRow) else ()
            wrong = {row.query, row.positive, ""}
            yield TrainingExample(
                row.query,
                row.positive,
                tuple(text for text in dict.fromkeys(negatives) if text not in wrong),
                query_id=row.query_id,
                document=f"{row.source.corpus}/{row.source.doc_id}",
            )

    def _row(self, file: Path, number: int, line: bytes, counts: Counter[str]) -> TripletRow | PairRow | None:
        try:
            record = json.loads(line)
            kind = TripletRow if isinstance(record, dict) and "negatives" in record else PairRow
            # From JSON, not from `record`: only there a list may stand for a tuple in strict fields.
            row: TripletRow | PairRow = kind.model_validate_json(line)
            if row.query.strip() and row.positive.strip():
                return row
            reason = "query or positive is blank"
        except ValidationError as error:
            reason = first_fault(error)
        except ValueError:
            reason = "not a line of JSON in UTF-8"
        if self.strict:
            raise MedsearchError(
                f"{file}:{number} cannot be used ({reason}); without --strict it is set aside"
            )
        counts["bad"] += 1
        if len(self.rejects) < _REJECTS_KEPT:
            self.rejects.append({"file": str(file), "line": number, "reason": reason})
        return None


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _made_by(run: str) -> str:
    """Which command makes a run of this name."""
    if run == "crops":
        return (
            "`make training-data` makes it, with the runs that it is cut out of; of others `python -m "
            "pipeline crop --run crops --of RUN[,RUN…]` does"
        )
    return (
        f"`python -m pipeline convert {run.removesuffix('-train')} --split train --run {run}` makes it of a "
        "judged corpus, `generate` of notes"
    )


def _drawn(rows: Sequence[TrainingExample], table: DataTable, seed: int) -> list[TrainingExample]:
    """As many rows as a table asks for at most, in their order; with `together`, whole documents."""
    units: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        units.setdefault(row.document if table.together else str(number), []).append(number)
    whole = list(units.values())
    order = np.random.default_rng(seed).permutation(len(whole))
    chosen: list[int] = []
    for place in order:
        if len(chosen) + len(whole[place]) <= table.rows:
            chosen += whole[place]
    return [rows[number] for number in sorted(chosen or whole[order[0]][: table.rows])]


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; a name that ends in .gz is unpacked."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile) as error:
        raise MedsearchError(f"{file} is not a whole gzip file ({error}): copy it again") from None
