"""A stage's output files and how far it has come: a kill at any moment loses no unit and repeats none.

Work is done in units (a note, a block of rows) in a fixed order. The rows of a unit go to the output files
first; then one line in `<stage>.journal.jsonl` names the unit, the size that each file now has, and what
the unit counted. On opening, the files are cut back to the last line that they can all support.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from medsearch.errors import MedsearchError, first_fault
from pipeline.records import Row
from pipeline.yields import Yield

_LONGEST_CHANGE = 160
"""Characters; what is longer, such as a prompt's examples, is only named."""


class PlanChangedError(MedsearchError):
    """The stage was begun with other settings or other input than now asked for."""


@dataclass(slots=True)
class Journal:
    """The open state of one stage; made by `open_journal`, for one process at a time."""

    file: Path
    outputs: Mapping[str, Path]
    units: list[str]
    total: Yield
    finished: bool
    _clock: float = field(default_factory=time.monotonic)

    def commit(self, unit: str, rows: Mapping[str, Sequence[Row]], counted: Yield) -> None:
        """Write a unit's rows and then its line; the time since the last commit is added to its count.

        Raises:
            OSError: the disk is full or the file gone; opening the journal again mends it.
        """
        now = time.monotonic()
        counted.seconds += now - self._clock
        self._clock = now
        sizes = {name: append(self.outputs[name], lines_of(rows.get(name, ()))) for name in self.outputs}
        self._write({"unit": unit, "sizes": sizes, **counted.record()})
        self.units.append(unit)
        self.total.add(counted)

    def finish(self) -> None:
        """Mark the stage as done; without new units, opening it again does nothing."""
        if not self.finished:
            self._write({"finished": True})
            self.finished = True

    def _write(self, record: Mapping[str, Any]) -> None:
        append(self.file, (json.dumps(record, ensure_ascii=False) + "\n").encode())


@contextmanager
def open_journal(
    folder: Path, stage: str, outputs: Mapping[str, Path], plan: Mapping[str, Any], *, restart: bool = False
) -> Iterator[Journal]:
    """Begin a stage or go on with it. Output files are made if missing and cut back to what was committed.

    Args:
        folder: the run's folder; its journal is `<stage>.journal.jsonl`.
        stage: the stage's name.
        outputs: the stage's files by name.
        plan: whatever must not change between sittings; compared as JSON.
        restart: forget what was done and begin again.

    Raises:
        PlanChangedError: the plan is not that of the earlier sittings; the message names what differs.
        MedsearchError: another process has this stage open, or the journal is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{stage}.lock", timeout=0):
            file = folder / f"{stage}.journal.jsonl"
            if restart:
                file.unlink(missing_ok=True)
            yield _resume(file, outputs, json.loads(json.dumps(plan)))
    except Timeout:
        raise MedsearchError(
            f"{stage} in {folder} is being run by another process: wait for it, or stop it, then try again"
        ) from None


def _resume(file: Path, outputs: Mapping[str, Path], plan: dict[str, Any]) -> Journal:
    entries = _entries(file)
    if entries and entries[0].get("plan") != plan:
        raise PlanChangedError(_difference(file, entries[0].get("plan") or {}, plan))
    if not entries:
        file.unlink(missing_ok=True)
        for path in outputs.values():
            path.unlink(missing_ok=True)
            path.touch()
        append(file, (json.dumps({"plan": plan}, ensure_ascii=False) + "\n").encode())
        return Journal(file, outputs, [], Yield(), finished=False)
    return _replay(file, outputs, entries)


def _replay(file: Path, outputs: Mapping[str, Path], entries: list[dict[str, Any]]) -> Journal:
    there = {name: path.stat().st_size if path.exists() else 0 for name, path in outputs.items()}
    kept: list[dict[str, Any]] = entries[:1]
    sizes = dict.fromkeys(outputs, 0)
    units: list[str] = []
    total, finished = Yield(), False
    for entry in entries[1:]:
        if any(entry.get("sizes", {}).get(name, 0) > there[name] for name in outputs):
            break  # a power cut kept this line but not the rows before it
        kept.append(entry)
        finished = entry.get("finished", False)
        if "unit" in entry:
            sizes = entry["sizes"]
            units.append(entry["unit"])
            total.add(Yield.from_record({k: v for k, v in entry.items() if k not in ("unit", "sizes")}))
    for name, path in outputs.items():
        with path.open("ab") as stream:
            stream.truncate(sizes[name])
    _rewrite(file, kept)
    return Journal(file, outputs, units, total, finished)


def _entries(file: Path) -> list[dict[str, Any]]:
    """The journal's whole lines; a last one that a kill cut short is left out."""
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except ValueError:
            raise MedsearchError(
                f"{file}:{number} is damaged: start this stage anew with --restart"
            ) from None
    return entries


def _rewrite(file: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Cut the journal to these entries: its own lines, so only its length changes."""
    size = sum(len(json.dumps(entry, ensure_ascii=False).encode()) + 1 for entry in entries)
    with file.open("ab") as stream:
        stream.truncate(size)


def _difference(file: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            a, b = old.get(key), new.get(key)
            if isinstance(a, dict) and isinstance(b, dict):
                inner = next(k for k in sorted({*a, *b}) if a.get(k) != b.get(k))
                key, a, b = f"{key}.{inner}", a.get(inner), b.get(inner)
            change = f"was begun with {key} = {a!r}, now it is {b!r}"
            if len(change) > _LONGEST_CHANGE:
                change = f"was begun with another {key}"
            return f"{file.parent} {change}: name another --run, or give --restart to do this stage anew"
    raise AssertionError("plans that differ have a key that differs")


def append(path: Path, data: bytes) -> int:
    """Append and flush to the disk; returns the file's size."""
    with path.open("ab") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
        return stream.tell()


def lines_of(rows: Iterable[Row]) -> bytes:
    """Rows as JSON lines, keys in the order of the record."""
    return b"".join(row.model_dump_json(by_alias=True).encode() + b"\n" for row in rows)


RowType = TypeVar("RowType", bound=Row)


def read_rows(path: Path, kind: type[RowType]) -> Iterator[RowType]:
    """The rows of a file, checked.

    Raises:
        MedsearchError: the file is missing, or a line is not such a row; the message has file and line.
    """
    if not path.exists():
        raise MedsearchError(f"{path} is not there: run the stage that writes it first")
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise MedsearchError(
                    f"{path}:{number} is not a {kind.__name__}: {first_fault(error)}"
                ) from None


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal; empty for a file that is not there."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        state = sha256()
        while block := stream.read(1 << 20):
            state.update(block)
        return state.hexdigest()
