"""What a trained model was made from and chosen on: `provenance.json` beside its weights.

Training writes it; an evaluation reads it, so that no test split that took part in choosing the model passes
for a test of it.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.adapter_source import adapter_folder
from medsearch.errors import MedsearchError, first_fault
from medsearch.types import ModelSpec

FORMAT: Literal[1] = 1
PROVENANCE = "provenance.json"

Name = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

OF_MODELS = "of_models"
"""In what a result of a reranker keeps: model -> summary of each that has a provenance."""


OF_BASE = "of_base"
"""In what a result keeps of a model: the summary of its base's provenance."""


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
    """A split of a corpus, and the hash of its judgements ("" where it is not known).

    `query_keys` are hashes of its scored queries' words, one a query (see `evaluate.query_keys`), by which
    its questions are known in other tasks; none where they are not known.
    """

    corpus: Name
    split: Name
    qrels_hash: str = ""
    query_keys: tuple[str, ...] = ()

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
    """One trained model's `provenance.json`; `base` is the model it was trained from.

    `weights_sha256` is that of the `model.safetensors` it speaks of, of an adapter that of its
    `adapter_model.safetensors` ("": not written down). `of_base` is the base's own, where that is a model of
    one's own too: what chose the base has chosen this one.
    """

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
    weights_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    of_base: Provenance | None = None

    def summary(self) -> dict[str, Any]:
        """What a result keeps of it, so that a model trained later does not change what is said of it."""
        of_base = {} if self.of_base is None else {OF_BASE: self.of_base.summary()}
        return {
            **of_base,
            "model": self.model,
            "base": self.base,
            "family": self.family,
            "candidates": self.selection.candidates,
            "suite": self.selection.suite,
            "weights_sha256": self.weights_sha256,
        }


def write_provenance(provenance: Provenance, folder: Path) -> Path:
    """Write `folder`/provenance.json; a reader sees the old file or the new one, never half of one."""
    file = folder / PROVENANCE
    partial = file.with_name(f"{PROVENANCE}.{token_hex(4)}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        # Without `of_base` where there is none, so that older versions read it.
        stream.write(provenance.model_dump_json(indent=1, exclude_none=True) + "\n")
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
        raise MedsearchError(
            f"{file}: {first_fault(error)}; the file says what the model was chosen "
            "on: restore it from the training run, or train again"
        ) from None


def trained_folder(source: str) -> Path | None:
    """The folder of a model of one's own, "path:DIR" or "adapter:DIR@BASE"; `None` for all others."""
    adapter = adapter_folder(source)
    if adapter is not None:
        return adapter
    scheme, _, rest = source.partition(":")
    return Path(rest).expanduser() if scheme == "path" else None


def provenance_of(spec: ModelSpec) -> Provenance | None:
    """The provenance of a model of the registry; `None` where it is not one's own, or has none.

    Raises:
        MedsearchError: as `read_provenance`; or it is that of other weights than those pinned.
    """
    return provenance_at(spec.source, name=spec.name, sha256=spec.sha256)


def provenance_at(source: str, *, name: str, sha256: str) -> Provenance | None:
    """The same of a model that is known by its source; `name` and the weights' `sha256` may be ""."""
    folder = trained_folder(source)
    provenance = None if folder is None else read_provenance(folder)
    if folder is not None and provenance is not None and not speaks_of(provenance, sha256):
        raise MedsearchError(
            f"{folder / PROVENANCE}: it is of other weights (sha256 {provenance.weights_sha256[:12]}…) than "
            f"those of {name} ({sha256[:12]}…): put back the weights that it was written for, or "
            "the provenance of these"
        )
    return provenance


def speaks_of(provenance: Provenance, sha256: str) -> bool:
    """Whether it is that of the weights with this SHA-256, as far as both are known ("": not)."""
    return not sha256 or not provenance.weights_sha256 or provenance.weights_sha256 == sha256
