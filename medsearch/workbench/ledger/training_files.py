"""The files of a training set: those named, and in folders those that have texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from medsearch.corpora.lines import open_plain_or_gzip
from medsearch.errors import MedsearchError, UsageError
from medsearch.workbench.ledger.fields import has_field
from medsearch.workbench.ledger.training_texts import LINES, PARQUET, Reading, read_rows, texts_in

_BYTES_AT_ONCE = 2**20
_BOOKKEEPING = (".journal.jsonl", "dataset_info.json", "dataset_infos.json")
"""Files of such names are kept beside training rows and have none."""


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file of training rows; `lines` estimates their number; `inside`: found in a folder."""

    path: Path
    sha256: str
    lines: int
    inside: bool = False


def training_files(paths: Iterable[Path]) -> list[TrainingFile]:
    """The files, and those at any depth of the folders, each once.

    Raises:
        UsageError: a path is missing, of another format, or a folder without such files.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_training(file)]
            if not inside:
                raise UsageError(f"--train {path}: no .jsonl, .jsonl.gz or .parquet file in this folder")
            found = dict.fromkeys(inside, True) | found
        elif not path.is_file():
            raise UsageError(f"--train {path}: no such file or folder")
        elif not _is_training(path):
            raise UsageError(f"--train {path}: must be .jsonl, .jsonl.gz or .parquet, one row an example")
        else:
            found[path] = False
    return [_described(path, inside=inside) for path, inside in found.items()]


def files_with_texts(
    files: Iterable[TrainingFile], fields: tuple[str, ...]
) -> tuple[list[TrainingFile], list[str]]:
    """The files to check, and a remark on each file of a folder that has no training text.

    Reads each only up to its first text, or as far as it takes to see every field of `fields`.

    Raises:
        UsageError: no row has one of `fields`.
        MedsearchError: a file that was named has no text, or none in a folder has.
    """
    kept, remarks, unseen = [], [], set(fields)
    for file in files:
        said = _no_texts(file, fields, unseen)
        if not said:
            kept.append(file)
        elif file.inside:
            remarks.append(f"{file.path.name} was left out: {said.split(':')[0]}")
        elif not unseen:
            raise MedsearchError(f"{file.path}: {said}")
    if unseen:
        raise UsageError(f"--fields {', '.join(sorted(unseen))}: no training row has a field of this name")
    if not kept:
        raise MedsearchError(f"no training text in these folders: {remarks[0]}")
    return kept, remarks


def _no_texts(file: TrainingFile, fields: tuple[str, ...], unseen: set[str]) -> str:
    """Why a file has nothing to check, "" where it has; takes the fields that it has out of `unseen`."""
    if file.inside and file.path.name.endswith(_BOOKKEEPING):
        return "it says how the rows were made"
    reading, found = Reading(fields), False
    for number, row in read_rows(file.path, reading.unreadable):
        unseen -= {name for name in unseen if has_field(row, name)}
        found = found or bool(texts_in(file.path, number, row, reading))
        if found and not unseen:
            break
    damaged = reading.unreadable.count and not file.path.name.endswith((".json", ".json.gz"))
    if found or (file.inside and (damaged or reading.is_array)):
        return ""
    examples = [*reading.unreadable.examples, *reading.without_text.examples]
    return "no training text in it" + (f": {examples[-1]}" if examples else "")


def _is_training(path: Path) -> bool:
    return path.name.endswith((*LINES, PARQUET)) and not path.name.startswith(".")


def _described(path: Path, *, inside: bool) -> TrainingFile:
    try:
        with path.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        return TrainingFile(path, digest, _lines(path), inside)
    except OSError as error:
        raise UsageError(f"--train {path}: cannot be read: {error.strerror or error}") from None


def _lines(path: Path) -> int:
    """Lines of a plain file; 0 where to count them would take as long as to read it."""
    if path.name.endswith((".gz", PARQUET)):
        return 0
    with open_plain_or_gzip(path) as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(_BYTES_AT_ONCE), b""))
