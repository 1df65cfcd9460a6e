"""Cleaned training files that runs share: the search for leaks takes minutes, and is made once for a file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from pydantic import ValidationError

from medsearch.index.manifest import replace_file
from pipeline.training.data.clean_record import CleanRecord

RULES = 1
"""Version of the search for leaks; raised when the same texts give other clean files."""


@dataclass(frozen=True, slots=True)
class CleanStore:
    """Clean files by what they were made from and cleaned of; `folder` of `None` keeps and lends nothing.

    Runs may use it at the same time.
    """

    folder: Path | None

    def lend(self, source: str, suites: Sequence[tuple[str, str]], target: Path) -> CleanRecord | None:
        """Put the clean file of a source (by SHA-256) at `target`; `None` where no whole one is kept."""
        if self.folder is None:
            return None
        file = self.folder / f"{_key(source, suites)}.jsonl"
        record = _record_of(file, source, suites)
        if record is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            _same_file(file, target)
        return record

    def keep(self, record: CleanRecord, file: Path) -> None:
        """Leave a clean file for other runs; its record comes last, so that what has one is whole."""
        if self.folder is None:
            return
        kept = self.folder / f"{_key(record.source, record.suites)}.jsonl"
        if _record_of(kept, record.source, record.suites) is not None:
            return  # another run was first
        self.folder.mkdir(parents=True, exist_ok=True)
        _same_file(file, kept)
        with _own_name(kept.with_suffix(".json")) as partial:
            replace_file(partial, record.model_dump_json(indent=1).encode() + b"\n")


def _key(source: str, suites: Sequence[tuple[str, str]]) -> str:
    return sha256(json.dumps([RULES, source, *suites]).encode()).hexdigest()[:32]


def _record_of(file: Path, source: str, suites: Sequence[tuple[str, str]]) -> CleanRecord | None:
    """The record beside a kept file; `None` where there is none or the file is not what it tells of."""
    try:
        record = CleanRecord.model_validate_json(file.with_suffix(".json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return record if record.holds(source, suites, file) else None


def _same_file(file: Path, target: Path) -> None:
    """Give a file a second name, which takes no space; a copy where the disk cannot do that."""
    with _own_name(target) as partial:
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)


@contextmanager
def _own_name(target: Path) -> Iterator[Path]:
    """A name beside a file that no other process has; what is there in the end takes the file's place."""
    partial = target.with_name(f"{target.name}.{token_hex(8)}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)  # of two names of one file, POSIX leaves both
