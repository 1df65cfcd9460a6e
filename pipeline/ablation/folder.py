"""Where the files of an ablation lie: `data/training/ablations/<ablation>/`, a run for each variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.training.folder import ABLATIONS, TrainingFolder


@dataclass(frozen=True, slots=True)
class VariantFolder(TrainingFolder):
    """A training run below an ablation's folder: panel and ledger are those of all of them."""

    @property
    def panel(self) -> Path:
        """The dev panel, one for all variants: each task is kept with the plan that it was made by."""
        return self.path.parent / "panel"

    @property
    def tried(self) -> Path:
        """The ledger beside all training runs: what an ablation compares counts as what a training does."""
        return self.path.parents[2] / "candidates.jsonl"

    @property
    def candidates(self) -> Path:
        """The scores of every candidate by query, as they were chosen from: JSON."""
        return self.path / "candidates"


def ablation_folder(training: Path, name: str) -> TrainingFolder:
    """The folder that one ablation's runs lie in; `training` is that of all training runs."""
    return TrainingFolder(training / ABLATIONS / name)
