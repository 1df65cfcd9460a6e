"""Evaluates a model that was just trained beside its base, and writes its card from what came of it.

The commands are `medsearch`'s own, each in a process of its own, so that a user can repeat them one by one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import read_provenance
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import ModelKind
from pipeline.training.publish import CARD
from pipeline.training.registry_entry import REGISTRY

_MODELS = "MEDSEARCH_MODELS"
_LEAKS = 1
"""What `medsearch contamination` exits with where it found leaks; the report is kept all the same."""


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """A published model's folder, the files it was trained on, the suite, and where results are kept."""

    model: Path
    train: tuple[Path, ...]
    suite: str
    results: Path


def evaluate_made(asked: EvaluateRequest, settings: Settings, progress: Progress) -> Path:
    """Score the model beside its base, check its training data for the suite's texts, write its card.

    Each run on a suite to report on is a look at a test set and is counted. What is in `results` already is
    not made again. Returns the card's file.

    Raises:
        MedsearchError: the folder has no provenance, or one of the commands failed; it has said why.
    """
    provenance = read_provenance(asked.model)
    if provenance is None:
        raise MedsearchError(f"{asked.model} has no provenance.json: train the model again")
    name, base = provenance.model, provenance.base
    environment = {**os.environ, _MODELS: str(own_registry(asked.model, name, settings))}
    registry = load_registry(Path(environment[_MODELS]), cache=settings.cache)
    late = registry[name].kind is ModelKind.LATE_INTERACTION
    retriever = f"rerank:{name}:{base}" if late else name
    results = str(asked.results)
    progress.say(f"evaluating {retriever} beside {base} on {asked.suite}")
    _run(["evaluate", asked.suite, "--models", f"{retriever},{base}", "--out", results], environment)
    train = [part for file in asked.train for part in ("--train", str(file))]
    checked = ["--suite", asked.suite, "--out", results, "--model", retriever]
    _run(["contamination", *train, *checked], environment, allowed=_LEAKS)
    card = asked.model / CARD
    if late:
        progress.say(f"the card stays as training wrote it; `medsearch leaderboard {results}` has the scores")
    else:
        _run(["card", name, "--results", results, "--out", str(card)], environment)
    return card


def own_registry(model: Path, name: str, settings: Settings) -> Path:
    """A registry file with the model's entry and the entries that the user has already."""
    entry = model / REGISTRY
    if settings.models is None:
        return entry
    if name in load_registry(settings.models, cache=settings.cache):
        return settings.models
    joined = model / "registry.all.toml"
    joined.write_text(
        settings.models.read_text("utf-8").rstrip() + "\n\n" + entry.read_text("utf-8"), encoding="utf-8"
    )
    return joined


def _run(arguments: Sequence[str], environment: Mapping[str, str], *, allowed: int = 0) -> None:
    command = [sys.executable, "-m", "medsearch.cli.main", *arguments]
    done = subprocess.run(command, env=dict(environment), check=False)
    if done.returncode not in (0, allowed):
        raise MedsearchError(
            f"`medsearch {' '.join(arguments)}` failed: mend what it says and run the same `train` command "
            "again; what was trained is not trained again"
        )
