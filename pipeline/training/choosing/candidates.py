"""What is chosen from: the last checkpoints and their mean, each mixed with the base in some shares."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from medsearch.encoders.adapter_files import CONFIG, WEIGHTS, locate_adapter
from medsearch.encoders.adapters import base_of
from medsearch.encoders.merge import merge_adapter
from medsearch.encoders.merged import ready_weights
from medsearch.encoders.model_folder import write_settings
from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.verify import verify_pins
from medsearch.encoders.weights import locate_weights
from medsearch.errors import MedsearchError
from medsearch.types import ModelKind, ModelSpec
from pipeline.journal import digest
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.late.projection import start_file
from pipeline.training.registry_entry import made_spec
from pipeline.training.weights.adapter_averaging import (
    mean_adapter,
    nearer_to_base,
    read_adapter,
    write_adapter,
)
from pipeline.training.weights.adapter_stacking import stacked
from pipeline.training.weights.averaging import mean_weights, mixed_with_base, read_tensors, write_tensors

WEIGHTS_FILE = "model.safetensors"
ADAPTER = "adapter"

_OF_TRAINING = shutil.ignore_patterns(
    "*.pt", "*.pth", "*.bin", "*.lock", "complete.json", "trainer_state.json", "training_args*", "README.md"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The mean of `checkpoints` (often of one), with `base_share` of the base's weights."""

    name: str
    checkpoints: tuple[Path, ...]
    base_share: float


@dataclass(frozen=True, slots=True)
class CandidateMaker:
    """Writes candidates as model folders; `base_folder` has the base's weights."""

    job: TrainingJob
    base: ModelSpec
    base_folder: Path
    facts: dict[str, dict[str, float]] = field(default_factory=dict)

    def key(self, candidate: Candidate) -> str:
        """A hash of all that the candidate's weights depend on."""
        parts = [self.base.source, self.base.revision, digest(self.base_folder / WEIGHTS_FILE)]
        for checkpoint in candidate.checkpoints:
            parts += [digest(file) for file in sorted(checkpoint.rglob("*.safetensors"))]
        parts += [
            repr(candidate.base_share),
            self.job.recipe.model_dump_json(include={"query_prompt", "max_tokens"}),
        ]
        return sha256(json.dumps(parts).encode()).hexdigest()

    def write(self, candidate: Candidate, folder: Path) -> ModelSpec:
        """Write the candidate into the new `folder` and return the entry by which encoders load it.

        Raises:
            MedsearchError: a checkpoint or the base cannot be read, or they are not of one model.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        late = self.job.recipe.kind is ModelKind.LATE_INTERACTION
        if late:
            shutil.copytree(candidate.checkpoints[-1], folder, dirs_exist_ok=True, ignore=_OF_TRAINING)
            self._mix_projections(candidate, folder)
        spec = made_spec(self.job.recipe, self.base, folder)
        if not late:
            write_settings(spec, self.base_folder, folder)
        if (candidate.checkpoints[-1] / CONFIG).is_file():
            self._merge(candidate, folder)
        else:
            tuned = mean_weights([checkpoint / WEIGHTS_FILE for checkpoint in candidate.checkpoints])
            base = read_tensors(self.base_folder / WEIGHTS_FILE)
            mixed = mixed_with_base(tuned, base, candidate.base_share, where=candidate.name)
            write_tensors(mixed, folder / WEIGHTS_FILE)
        return spec

    def _mix_projections(self, candidate: Candidate, folder: Path) -> None:
        """The layer behind a late-interaction transformer: its mean, mixed with what training began with."""
        start = read_tensors(start_file(self.job)) if candidate.base_share else {}
        for file in sorted(folder.glob("*/*.safetensors")):
            inside = file.relative_to(folder)
            mean = mean_weights([checkpoint / inside for checkpoint in candidate.checkpoints])
            write_tensors(mixed_with_base(mean, start, candidate.base_share, where=candidate.name), file)

    def _merge(self, candidate: Candidate, folder: Path) -> None:
        adapters = [read_adapter(checkpoint) for checkpoint in candidate.checkpoints]
        mean, lost = mean_adapter(adapters)
        for name in (CONFIG, WEIGHTS):
            (folder / name).unlink(missing_ok=True)
        adapter = nearer_to_base(mean, candidate.base_share)
        lowest, below = self.base, self.base_folder
        if (root := base_of(self.base)) is not None:
            # An adapter cannot stand on an adapter: both become one of the model under them.
            adapter = stacked(read_adapter(locate_adapter(self.base)), adapter)
            lowest, below = root, locate_weights(root)
            # Pins alone: its other settings are the adapter's here, and its own folder may state others.
            verify_pins(root, below, cache=self.job.settings.cache)
        write_adapter(adapter, folder / ADAPTER, _public_name(lowest))
        self.facts[candidate.name] = {"cut_off_by_averaging": lost}
        try:
            merge_adapter(below, folder / ADAPTER, folder / WEIGHTS_FILE)
        except ValueError as error:
            raise MedsearchError(
                f"{candidate.name} cannot be merged with {self.base.name}: {error}"
            ) from None
        if not (folder / "config.json").is_file():
            shutil.copyfile(self.base_folder / "config.json", folder / "config.json")


def open_maker(job: TrainingJob) -> CandidateMaker:
    """Find the base that candidates are mixed with.

    Raises:
        UsageError: the recipe's base is not in the registry.
        ModelUnavailableError: its weights are not on this machine.
    """
    registry = load_registry(job.settings.models, cache=job.settings.cache)
    base = find_model(job.recipe.base, registry)
    dense = base.kind is ModelKind.DENSE
    folder = ready_weights(base, cache=job.settings.cache) if dense else locate_weights(base)
    return CandidateMaker(job, base, folder)


def candidates_of(job: TrainingJob, trained: Trained) -> tuple[Candidate, ...]:
    """Every candidate, in the order in which they are scored.

    Raises:
        MedsearchError: training has left no checkpoint.
    """
    table = job.recipe.select
    last = trained.checkpoints[-table.checkpoints :]
    if not last:
        raise MedsearchError(f"{job.folder.checkpoints} has no whole checkpoint: train first")
    weights: dict[str, tuple[Path, ...]] = {each.name: (each,) for each in reversed(last)}
    if table.average and len(last) > 1:
        weights[f"mean-of-{len(last)}"] = last
    return tuple(
        Candidate(f"{name}-base-{share:g}" if share else name, checkpoints, share)
        for name, checkpoints in weights.items()
        for share in dict.fromkeys(table.base_shares)
    )


def _public_name(base: ModelSpec) -> str:
    """What an adapter calls its base: the hub's repository, else the registry's name; never a path."""
    return base.source.removeprefix("hub:") if base.source.startswith("hub:") else base.name
