"""What a trained model was made from and chosen on: `provenance.json` beside its weights.

Training writes it; an evaluation reads it, so that no test split that took part in choosing the model passes
for a test of it.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.errors import MedsearchError
from medsearch.types import ModelSpec

FORMAT: Literal[1] = 1
PROVENANCE = "provenance.json"

Name = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Record(BaseModel):
    """A field that is missing, or that nobody knows, is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingData(_Record):
    """A file that the model was trained on."""

    name: Name
    file: Name
    sha256: Sha256
    rows: int = Field(ge=0)


class SelectionTask(_Record):
    """A split of a corpus, and the hash of its judgements ("" where it is not known)."""

    corpus: Name
    split: Name
    qrels_hash: str = ""

    @property
    def name(self) -> str:
        """`CORPUS:SPLIT`."""
        return f"{self.corpus}:{self.split}"


class Selection(_Record):
    """How the model was chosen: on which tasks, among how many candidates, by what rule."""

    suite: str
    tasks: tuple[SelectionTask, ...]
    candidates: int = Field(ge=1)
    measure: Name
    rule: Name


class Provenance(_Record):
    """One trained model's `provenance.json`; `base` is the model it was trained from."""

    # First of the fields, so that of a file in another format this is what is complained of.
    format: Literal[1] = FORMAT
    model: Name
    base: Name
    family: Name
    recipe: str
    data: tuple[TrainingData, ...]
    selection: Selection
    git_revision: str
    created: datetime


def write_provenance(provenance: Provenance, folder: Path) -> Path:
    """Write `folder`/provenance.json; a reader sees the old file or the new one, never half of one."""
    file = folder / PROVENANCE
    partial = file.with_name(f"{PROVENANCE}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(provenance.model_dump_json(indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    return file


def read_provenance(folder: Path) -> Provenance | None:
    """The provenance of the model in `folder`; `None` where it has none.

    Raises:
        MedsearchError: naming the file and the field that is missing, unknown or wrong.
    """
    file = folder / PROVENANCE
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MedsearchError(f"{file}: cannot be read: {error.strerror or error}") from None
    try:
        return Provenance.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MedsearchError(
            f"{file}: {f'{where}: ' if where else ''}{first['msg']}; the file says what the model was chosen "
            "on: restore it from the training run, or train again"
        ) from None


def trained_folder(source: str) -> Path | None:
    """The folder of a model of one's own, "path:DIR" or "adapter:DIR@BASE"; `None` for all others."""
    scheme, _, rest = source.partition(":")
    if scheme == "adapter":
        return Path(rest.rpartition("@")[0] or rest).expanduser()
    return Path(rest).expanduser() if scheme == "path" else None


def provenance_of(spec: ModelSpec) -> Provenance | None:
    """The provenance of a model of the registry; `None` where it is not one's own, or has none.

    Raises:
        MedsearchError: as `read_provenance`.
    """
    folder = trained_folder(spec.source)
    return None if folder is None else read_provenance(folder)
