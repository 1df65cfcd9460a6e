"""What a training run is given, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsearch.protocols import Progress
from medsearch.settings import Settings
from pipeline.training.folder import TrainingFolder
from pipeline.training.recipe import TrainRecipe

if TYPE_CHECKING:
    from pipeline.training.panel.task import PanelTask


REVISION = "git_revision"
"""Among the facts of a training: medsearch's revision as it began; missing where an older one trained."""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A query, a text that answers it, and texts that look right and are not, hardest first.

    Rows of a source with one `query_id` ask the same; `document` is where the positive was cut from. Both may
    be empty: not known.
    """

    query: str
    positive: str
    negatives: tuple[str, ...]
    query_id: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True)
class TrainingSource:
    """The examples of one file; `weight` is the source's share of batches, `sha256` the file's.

    `counts` says what became of the file's rows; with `together`, rows of one document meet in one batch.
    """

    name: str
    weight: float
    rows: tuple[TrainingExample, ...]
    file: Path
    sha256: str
    counts: Mapping[str, int] = field(default_factory=dict)
    together: bool = False


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """All that training needs. The panel may be empty: then there is no dev curve.

    `recipe_name` is what its recipe is called, or the name of its file; "" where that is not known.
    """

    recipe: TrainRecipe
    folder: TrainingFolder
    settings: Settings
    sources: tuple[TrainingSource, ...]
    panel: tuple[PanelTask, ...]
    progress: Progress
    recipe_name: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left: its checkpoints in the order of their steps, and what was measured.

    A checkpoint is a folder that sentence-transformers loads; with LoRA it holds the adapter alone and names
    the base's folder.
    """

    checkpoints: tuple[Path, ...]
    steps: int
    facts: Mapping[str, object]
