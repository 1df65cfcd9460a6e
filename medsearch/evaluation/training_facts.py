"""What was measured of a model while it was trained and chosen: `training.json` beside its weights.

Training writes it; a model card shows it. Scores are nDCG@10 of 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.adapter_source import adapter_folder
from medsearch.errors import MedsearchError, first_fault
from medsearch.evaluation.provenance import trained_folder
from medsearch.evaluation.verdicts import Outcome
from medsearch.types import ModelSpec

FORMAT: Literal[1] = 1
TRAINING = "training.json"

ROWS_CHECKED = "rows searched for leaks"
ROWS_WITH_LEAKS = "rows with a leak, left out"
LEAKS_LEFT = "leaks left"
"""Keys of `training`'s sources, where the training data was searched for leaks into benchmarks."""


class _Record(BaseModel):
    """A field that is missing, or that nobody knows, is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataFacts(_Record):
    """A source that was trained on: rows used, and how many of all its file's rows state each licence.

    `found_since` is what a person found out later of rows that state none.
    """

    name: str
    rows: int
    weight: float
    licences: dict[str, int] = Field(default_factory=dict)
    found_since: str = ""


class CandidateFacts(_Record):
    """One set of weights that was compared: mean scores by task, on the dev panel and outside medicine."""

    name: str
    base_share: float
    dev: dict[str, float]
    guard: dict[str, float] = Field(default_factory=dict)
    more: dict[str, float] = Field(default_factory=dict)

    @property
    def dev_mean(self) -> float:
        """Over the tasks of the panel, each counting once."""
        return _mean(self.dev)

    @property
    def guard_mean(self) -> float | None:
        """Over the tasks outside medicine; `None` where none was scored."""
        return _mean(self.guard) if self.guard else None


class SelectionFacts(_Record):
    """The base, all candidates, the rule, and the one that it gave.

    `queries` and `documents` are the panel's, by task. `guard_packages` are those whose texts the guard set
    is made of, with their versions.
    """

    suite: str
    rule: str
    base: CandidateFacts
    candidates: tuple[CandidateFacts, ...] = Field(min_length=1)
    chosen: str
    queries: dict[str, int]
    documents: dict[str, int]
    guard_packages: dict[str, str] = Field(default_factory=dict)

    @property
    def taken(self) -> CandidateFacts:
        """The chosen candidate."""
        return next(each for each in self.candidates if each.name == self.chosen)


class GuardFacts(_Record):
    """The chosen model beside its base on one task outside medicine, or on all ("mean")."""

    task: str
    queries: int
    base: float
    tuned: float
    p_holm: float
    outcome: Outcome


class ExportFacts(_Record):
    """An ONNX file: cosines of its vectors and torch's over `texts` texts, and its scores on the panel."""

    file: str
    bytes: int
    texts: int
    cosine_min: float
    cosine_mean: float
    dev: dict[str, float]

    @property
    def dev_mean(self) -> float:
        """Over the tasks of the panel, each counting once."""
        return _mean(self.dev)


class LengthFacts(_Record):
    """Scores on the panel with vectors cut to their first `dim` numbers."""

    dim: int
    dev: dict[str, float]

    @property
    def dev_mean(self) -> float:
        """Over the tasks of the panel, each counting once."""
        return _mean(self.dev)


class TrainingFacts(_Record):
    """One model's `training.json`; `training` is what the stage measured, `recipe` what it was given.

    `weights_sha256` is that of the `model.safetensors` it speaks of, `adapter_sha256` that of its adapter's
    `adapter_model.safetensors` ("": not written down, or no adapter).
    """

    format: Literal[1] = FORMAT
    model: str
    kind: str
    recipe: dict[str, Any]
    steps: int
    data: tuple[DataFacts, ...]
    training: dict[str, Any]
    selection: SelectionFacts
    guard: tuple[GuardFacts, ...] = ()
    lengths: tuple[LengthFacts, ...] = ()
    exports: tuple[ExportFacts, ...] = ()
    weights_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    adapter_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    def speaks_of(self, spec: ModelSpec) -> bool:
        """Whether it is that of this model: of its name, and of its weights as far as both are known."""
        stated = self.adapter_sha256 if adapter_folder(spec.source) else self.weights_sha256
        return self.model == spec.name and (not spec.sha256 or not stated or stated == spec.sha256)


def write_training_facts(facts: TrainingFacts, folder: Path) -> Path:
    """Write `folder`/training.json."""
    file = folder / TRAINING
    file.write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return file


def read_training_facts(folder: Path) -> TrainingFacts | None:
    """The facts of the model in `folder`; `None` where there are none.

    Raises:
        MedsearchError: the file is damaged or of another medsearch; the message names it and the field.
    """
    file = folder / TRAINING
    try:
        return TrainingFacts.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MedsearchError(f"{file}: cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        raise MedsearchError(
            f"{file}: {first_fault(error)}; restore it from the training run, "
            "or delete it and the card will not speak of it"
        ) from None


def training_facts_of(spec: ModelSpec) -> TrainingFacts | None:
    """The facts of a model of the registry; `None` where it is not one's own, or has none of these weights.

    Those of an adapter may lie in the folder that its own lies in, as training leaves them.

    Raises:
        MedsearchError: as `read_training_facts`.
    """
    folder = trained_folder(spec.source)
    if folder is None:
        return None
    facts = read_training_facts(folder)
    if facts is None and adapter_folder(spec.source):
        facts = read_training_facts(folder.parent)
    return facts if facts is not None and facts.speaks_of(spec) else None


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores) if scores else 0.0
