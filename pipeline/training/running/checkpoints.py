"""Checkpoints: which are whole, and which is the last.

A checkpoint counts once the file `complete.json` is in it, which names every file with its size. A kill while
one is written leaves a folder without it, or with files of other sizes: it is passed over and taken away.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from medsearch.index.manifest import replace_file

_MARK = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def step_of(checkpoint: Path) -> int:
    """The steps that were done when it was written."""
    found = _NAME.fullmatch(checkpoint.name)
    if found is None:
        raise ValueError(f"{checkpoint} is no checkpoint's folder")
    return int(found.group(1))


def complete_checkpoints(folder: Path) -> tuple[Path, ...]:
    """The checkpoints in a folder that are whole, by their steps."""
    if not folder.is_dir():
        return ()
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and _is_complete(path)]
    return tuple(sorted(found, key=step_of))


def mark_complete(checkpoint: Path) -> None:
    """Say that all files of a checkpoint are written; they are on the disk before it is said."""
    sizes = {}
    for file in sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != _MARK):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        sizes[file.relative_to(checkpoint).as_posix()] = file.stat().st_size
    replace_file(checkpoint / _MARK, json.dumps({"files": sizes}).encode())


def clear_away(folder: Path, *, keep: int, every: int = 1) -> None:
    """Remove the half-written checkpoints of a folder, and all but the last `keep` of the whole ones.

    Of those between two points of the curve, which come `every` so many steps, none but the very last stays:
    it is there to go on from.
    """
    if not folder.is_dir():
        return
    whole = complete_checkpoints(folder)
    kept = [path for path in whole if step_of(path) % every == 0 or path == whole[-1]][-keep:]
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and path not in kept:
            (path / _MARK).unlink(missing_ok=True)  # first: what is half removed must not look whole
            shutil.rmtree(path)


def _is_complete(checkpoint: Path) -> bool:
    try:
        sizes = json.loads((checkpoint / _MARK).read_text("utf-8"))["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def last_of(checkpoints: Sequence[Path]) -> Path | None:
    """The last of some, or `None`."""
    return checkpoints[-1] if checkpoints else None
