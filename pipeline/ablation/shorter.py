"""What vectors cut to their first numbers still find: what training for that (Matryoshka) is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.index.manifest import replace_file
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from pipeline.ablation.table import VariantTable
from pipeline.training.panel.task import PanelTask
from pipeline.training.recipe import TrainRecipe

Lengths = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cutter:
    """Scores models with vectors cut to `lengths`, each normalised again."""

    lengths: Lengths
    panel: Sequence[PanelTask]
    settings: Settings
    progress: Progress

    def means(self, spec: ModelSpec, key: str, kept: Path) -> dict[int, float]:
        """Length -> mean nDCG@10 over tasks; read from `kept` where that is of the same `key` and lengths.

        Raises:
            ModelUnavailableError: the weights are missing or contradict the entry.
        """
        if not self.lengths:
            return {}
        wanted = [key, *map(str, self.lengths)]
        if (found := _read(kept, wanted)) is not None:
            return found
        means = self._scored(spec)
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, json.dumps({"of": wanted, "means": means}).encode() + b"\n")
        return means

    def _scored(self, spec: ModelSpec) -> dict[int, float]:
        from medsearch.encoders.transformer import TransformerEncoder
        from pipeline.training.panel import scores
        from pipeline.training.silence import silent

        with silent():
            encoder = TransformerEncoder(spec, cache=self.settings.cache)
        with self.progress.stage(f"Cutting vectors of {spec.name}", scores.texts_in(self.panel)) as advance:
            vectors = scores.encode_panel(
                self.panel, encoder.encode_queries, encoder.encode_documents, advance
            )
        return {
            length: scores.mean_over_tasks(
                scores.means_by_task(scores.scores_of_vectors(self.panel, vectors, dim=length))
            )
            for length in self.lengths
        }


def asked_lengths(
    variants: Sequence[VariantTable], recipes: Mapping[str, TrainRecipe]
) -> Mapping[str, Lengths]:
    """Variant -> the lengths to cut to, most first: of those that train for some, and of what they stand on.

    All are cut to all lengths that any trains for, so that their columns can be compared.
    """
    training = {name for name, recipe in recipes.items() if recipe.loss.matryoshka}
    lengths = tuple(sorted({dim for name in training for dim in recipes[name].loss.matryoshka}, reverse=True))
    below = {each.on for each in variants if each.name in training}
    return {
        name: lengths
        for name, recipe in recipes.items()
        if name in training | below and recipe.kind is ModelKind.DENSE
    }


def _read(file: Path, wanted: Sequence[str]) -> dict[int, float] | None:
    """`None` where there is none, or of something else, or damaged."""
    try:
        kept = json.loads(file.read_bytes())
        if kept["of"] == list(wanted):
            return {int(length): float(mean) for length, mean in kept["means"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
