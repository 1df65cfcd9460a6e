"""Cleaned training files that runs share: the search for leaks takes minutes, and is made once for a file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from medsearch.index.manifest import replace_file
from pipeline.training.clean_record import CleanRecord


@dataclass(frozen=True, slots=True)
class CleanStore:
    """Clean files by what they were made from and cleaned of; `folder` of `None` keeps and lends nothing."""

    folder: Path | None

    def lend(self, source: str, suites: Sequence[tuple[str, str]], target: Path) -> CleanRecord | None:
        """Put the clean file of a source (by SHA-256) at `target`; `None` where no whole one is kept."""
        if self.folder is None:
            return None
        file = self.folder / f"{_key(source, suites)}.jsonl"
        try:
            record = CleanRecord.model_validate_json(file.with_suffix(".json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        if not record.holds(source, suites, file):
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        _same_file(file, target)
        return record

    def keep(self, record: CleanRecord, file: Path) -> None:
        """Leave a clean file for other runs; its record comes last, so that what has one is whole."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / f"{_key(record.source, record.suites)}.jsonl"
        _same_file(file, kept)
        replace_file(kept.with_suffix(".json"), record.model_dump_json(indent=1).encode() + b"\n")


def _key(source: str, suites: Sequence[tuple[str, str]]) -> str:
    return sha256(json.dumps([source, *suites]).encode()).hexdigest()[:32]


def _same_file(file: Path, target: Path) -> None:
    """Give a file a second name, which takes no space; a copy where the disk cannot do that."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(file, partial)
    except OSError:
        shutil.copyfile(file, partial)
    partial.replace(target)
    partial.unlink(missing_ok=True)  # of two names of one file, POSIX leaves both
