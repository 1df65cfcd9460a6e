"""The ledger of looks at test sets: every evaluation on a task to report on leaves a line.

A test set that a family of models was tried on many times is no longer unseen, whoever looked; so the count
stands beside every score. Reading a result that was kept is no look.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.errors import MedsearchError, first_fault


class Look(BaseModel):
    """One evaluation of one retriever on one task. `family` is what its model was made from.

    `qrels_hash` is that of the judgements ("": not known), by which a copy of the task is known; `queries` is
    0 where only mteb knows how many there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: datetime
    task: str = Field(min_length=1)
    retriever: str = Field(min_length=1)
    family: str = Field(min_length=1)
    revision: str
    suite: str
    git_revision: str
    queries: int = Field(ge=0)
    qrels_hash: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All looks in the order they were written; `warnings` name each line that could not be read."""

    looks: tuple[Look, ...]
    warnings: tuple[str, ...] = ()


def record_looks(file: Path, looks: Sequence[Look]) -> None:
    """Add lines to the ledger, which is made if missing; processes may do so at the same time.

    Raises:
        MedsearchError: the ledger cannot be written.
    """
    from filelock import FileLock

    if not looks:
        return
    lines = "".join(f"{look.model_dump_json()}\n" for look in looks).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f"{file.name}.lock")), file.open("ab+") as stream:
            stream.write(_line_break(stream.fileno()) + lines)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise MedsearchError(
            f"{file}: a look at a test set cannot be noted: {error.strerror or error}; "
            "make the file writable, or name another with MEDSEARCH_LOOKS"
        ) from None


def read_looks(file: Path) -> Ledger:
    """Read the ledger; a missing one is empty, and a line that is no look is told of and passed over.

    Raises:
        MedsearchError: the file is there and cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Ledger(())
    except OSError as error:
        raise MedsearchError(f"{file}: cannot be read: {error.strerror or error}") from None
    looks: list[Look] = []
    warnings: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            looks.append(Look.model_validate_json(line))
        except ValidationError as error:
            fault = first_fault(error, whole="the line")
            warnings.append(f"{file}:{number}: not a look, so not counted ({fault})")
    return Ledger(tuple(looks), tuple(warnings))


def looks_at_task(looks: Iterable[Look], family: str, task: str, qrels_hash: str = "") -> int:
    """How often a model of this family was evaluated on a task, under its name or with its judgements.

    Each retriever of a run counts; a `qrels_hash` that is "" is that of no other task.
    """
    return sum(
        look.family == family and (look.task == task or (qrels_hash != "" and look.qrels_hash == qrels_hash))
        for look in looks
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands beside a score: candidates tried for the model, and looks at the task by its family.

    `None` where it is not known: a model that others trained, a ledger that is not kept.
    """

    candidates: int | None
    looks: int | None


def looks_at(counts: Mapping[str, int], tasks: Iterable[str]) -> int:
    """Looks at a suite of `tasks`: as many as at the task that was looked at most often."""
    return max((counts.get(task, 0) for task in tasks), default=0)


def _line_break(descriptor: int) -> bytes:
    """What must come before a new line where a full disk cut the last one short."""
    size = os.fstat(descriptor).st_size
    return b"" if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else b"\n"
