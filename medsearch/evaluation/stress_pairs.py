"""Minimal pairs for the clinical stress card: a query, its right passage, and one wrong in a single thing.

A set is a folder of `CATEGORY.jsonl`, a line a pair: `id`, `query`, `right`, `wrong`, `difference` (what the
wrong passage has different), `source` (who wrote it, or the vocabulary it was made from) and, once somebody
else has read it, `checked` ("yes").
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from medsearch.errors import MedsearchError, UsageError, first_fault

FOLDER = "stress"
"""What the set's folder is called in a data folder."""


@dataclass(frozen=True, slots=True)
class StressPair:
    """One minimal pair. Both passages speak of the same thing; only `right` answers the query."""

    category: str
    pair_id: str
    query: str
    right: str
    wrong: str
    difference: str
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class StressSet:
    """All pairs of a folder, by category and line; `data_hash` is SHA-256 over its files' names and bytes."""

    pairs: tuple[StressPair, ...]
    data_hash: str

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories in the order of their names."""
        return tuple(dict.fromkeys(pair.category for pair in self.pairs))


@dataclass(frozen=True, slots=True)
class _Row:
    """A line as it is on disk."""

    id: str
    query: str
    right: str
    wrong: str
    difference: str
    source: str
    checked: str = ""


def find_stress_folder(folders: Sequence[Path]) -> Path:
    """The first data folder's `stress` that holds pairs.

    Raises:
        UsageError: if none does, as with a package installed without its checkout.
    """
    for folder in folders:
        if any((folder / FOLDER).glob("*.jsonl")):
            return folder / FOLDER
    looked = ", ".join(str(folder) for folder in folders)
    raise UsageError(
        f"no stress pairs: looked for {FOLDER}/CATEGORY.jsonl in {looked}; they are in the data folder of "
        "medsearch's checkout: name that folder in MEDSEARCH_DATA"
    )


def read_stress_set(folder: Path) -> StressSet:
    """Read every `CATEGORY.jsonl` of a folder.

    Raises:
        UsageError: if there is none.
        MedsearchError: naming file and line of a pair that cannot be used: not a JSON object of text fields,
            an empty field, passages that do not differ, or an id that came before.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise UsageError(f"{folder} has no stress pairs: no CATEGORY.jsonl is in it")
    digest = sha256()
    pairs: dict[str, StressPair] = {}
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
        for where, pair in _read(file, content):
            if pair.pair_id in pairs:
                first = pairs[pair.pair_id].category
                raise MedsearchError(f"{where}: the id {pair.pair_id!r} came before, in {first}.jsonl")
            pairs[pair.pair_id] = pair
    if not pairs:
        raise UsageError(f"{folder} has no stress pairs: its files are empty")
    return StressSet(tuple(pairs.values()), digest.hexdigest())


def check_categories(asked: Collection[str], stress: StressSet) -> None:
    """Make sure that the set has all of these.

    Raises:
        UsageError: naming those that it lacks, and what there is.
    """
    unknown = [name for name in asked if name not in stress.categories]
    if unknown:
        raise UsageError(f"no category {', '.join(unknown)}: there is {', '.join(stress.categories)}")


def _read(file: Path, content: bytes) -> Iterator[tuple[str, StressPair]]:
    """(place, pair) of every line that is not blank."""
    from pydantic import TypeAdapter

    rows = TypeAdapter(_Row)
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            where = f"{file}:{number}"
            yield where, _pair(where, file.stem, _row(where, line, rows))


def _row(where: str, line: bytes, rows: Any) -> _Row:
    from pydantic import ValidationError

    try:
        row: _Row = rows.validate_json(line, strict=True)
    except ValidationError as error:
        raise MedsearchError(f"{where}: {first_fault(error)}") from None
    return row


def _pair(where: str, category: str, row: _Row) -> StressPair:
    for name in ("id", "query", "right", "wrong", "difference", "source"):
        if not getattr(row, name).strip():
            raise MedsearchError(f"{where}: {name} is empty")
    if " ".join(row.right.split()) == " ".join(row.wrong.split()):
        raise MedsearchError(f"{where}: right and wrong are the same text")
    return StressPair(
        category, row.id, row.query, row.right, row.wrong, row.difference, row.source, row.checked
    )
