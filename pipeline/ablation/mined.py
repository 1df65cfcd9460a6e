"""Whether a variant that is to learn from hard negatives has any: else it would equal the one without."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from medsearch.errors import UsageError
from pipeline.ablation.variants import PlannedRun
from pipeline.records import Split

_KEY = b'"negatives"'


def refuse_unmined(run: PlannedRun, files: Iterable[Path]) -> None:
    """Refuse a variant with `loss.negatives` of which no source, one of `files`, has a row with negatives.

    Raises:
        UsageError: naming the command that mines them.
    """
    if not run.recipe.loss.negatives or any(map(_has_negatives, files)):
        return
    start = f"variant {run.variant!r}: none of its sources has mined negatives:"
    names = list(dict.fromkeys(table.run for table in run.recipe.data if table.run))
    if not names:
        raise UsageError(f"{start} name a file of rows with negatives, or set loss.negatives = 0")
    several = f", RUN being one of {', '.join(names)}" if len(names) > 1 else ""
    raise UsageError(
        f"{start} run `python -m pipeline mine --run {'RUN' if several else names[0]}` first{several}, or "
        "set loss.negatives = 0"
    )


def _has_negatives(file: Path) -> bool:
    """Whether one row to train on has any; what is no row is told of where rows are read."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            return any(_with_negatives(line) for line in lines if _KEY in line)
    except (EOFError, gzip.BadGzipFile):
        return False


def _with_negatives(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and bool(row.get("negatives")) and row.get("split") in (Split.TRAIN, None)
