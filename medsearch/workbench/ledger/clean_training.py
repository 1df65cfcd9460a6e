"""Writes a training file again without the rows that leak."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from medsearch.corpora.lines import read_lines
from medsearch.corpora.rejects import Rejects
from medsearch.errors import UsageError
from medsearch.workbench.ledger.contamination import TrainTally
from medsearch.workbench.ledger.training_texts import LINES, Reading, read_training_texts


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many rows were written, and how many left out: with a leak, or not readable and so not checked."""

    file: Path
    kept: int
    leaking: int
    unreadable: int


def check_clean_target(train: tuple[Path, ...], target: Path) -> None:
    """Refuse before any work what cannot be written.

    Raises:
        UsageError: naming what is wrong with --write-clean.
    """
    if len(train) != 1 or not train[0].is_file() or not train[0].name.endswith(LINES):
        raise UsageError("--write-clean goes with one --train file of JSON lines: clean several one by one")
    if not target.name.endswith(LINES):
        raise UsageError(f"--write-clean {target}: must be .jsonl or .jsonl.gz")
    if target.exists() and target.samefile(train[0]):
        raise UsageError(f"--write-clean {target}: it is the training file itself; name another")
    if not target.parent.is_dir():
        raise UsageError(f"--write-clean {target}: no such folder {target.parent}")


def write_clean(tally: TrainTally, fields: tuple[str, ...], target: Path) -> Cleaned:
    """Write the rows without a leak, each byte for byte as it was; whole or not at all."""
    source = tally.file.path
    good = {number for number, _ in read_training_texts(source, Reading(fields))} - tally.leaking
    partial = target.with_name(f"{target.name}.partial")
    with _opened(partial, packed=target.name.endswith(".gz")) as stream:
        for line in _kept(source, good):
            stream.write(line)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)
    rows = sum(1 for _ in read_lines(source, Rejects()))
    return Cleaned(target, len(good), len(tally.leaking), rows - len(good) - len(tally.leaking))


def _kept(source: Path, good: set[int]) -> Iterator[bytes]:
    for number, line in read_lines(source, Rejects(), as_is=True):
        if number in good:
            yield line if line.endswith(b"\n") else line + b"\n"


def _opened(file: Path, *, packed: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file, "wb")) if packed else file.open("wb")
