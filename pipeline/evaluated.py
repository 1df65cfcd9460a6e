"""Evaluates a model that was just trained beside its base, and writes its card from what came of it.

The commands are `medsearch`'s own, each in a process of its own, so that a user can repeat them one by one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import read_provenance
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import ModelKind
from medsearch.workbench.comparison.leaked_queries import FOLDER as CHECKS
from pipeline.training.publishing.publish import CARD
from pipeline.training.registry_entry import REGISTRY

_MODELS = "MEDSEARCH_MODELS"
_JOINED = "registry.all.toml"
_FOUND = 1
"""What `medsearch contamination` exits with where it found leaks, and where it failed: see its report."""
_STDERR = 2
"""Where the commands print: standard output is for what `train` itself says."""


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """A published model's folder, the files it was trained on, the suite, and where results are kept."""

    model: Path
    train: tuple[Path, ...]
    suite: str
    results: Path


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The card's file, and how many pairs of a training text and one of the suite overlap."""

    card: Path
    leaks: int


def evaluate_made(asked: EvaluateRequest, settings: Settings, progress: Progress) -> Evaluated:
    """Score the model beside its base, check its training data for the suite's texts, write its card.

    Each run on a suite to report on is a look at a test set and is counted. What is in `results` already is
    not made again. The card is written where there are leaks too.

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
    leaks = _leaks(asked, retriever, environment, progress)
    card = asked.model / CARD
    _run(["card", retriever, "--results", results, "--out", str(card)], environment)
    return Evaluated(card, leaks)


def _leaks(asked: EvaluateRequest, retriever: str, environment: Mapping[str, str], progress: Progress) -> int:
    """Check the training data and say what was found; the report is kept with the results."""
    folder = asked.results / CHECKS
    before = _written(folder)
    train = [part for file in asked.train for part in ("--train", str(file))]
    checked = ["--suite", asked.suite, "--out", str(asked.results), "--model", retriever]
    command = ["contamination", *train, *checked]
    _run(command, environment, allowed=_FOUND)
    made = [file for file, when in _written(folder).items() if before.get(file) != when]
    if not made:
        raise _failed(command)
    report = _read(made[0])
    leaks = int(report["leaks"])
    if leaks:
        progress.say(
            f"WARNING: the training data LEAKS into {asked.suite}: {leaks:,} pairs of a training text and a "
            f"query or relevant document, listed in {made[0]}. Scores on these tasks are no test of "
            f"{retriever}: train again with this suite in clean_of"
        )
    elif report["incomplete"]:
        progress.say(
            f"warning: {report['set_aside']['rows']:,} rows of the training data could not be checked for "
            f"leaks; see {made[0]}"
        )
    return leaks


def _written(folder: Path) -> dict[Path, tuple[int, int]]:
    """Each report, and when it was written; a report that is replaced is another file."""
    found = {file: file.stat() for file in sorted(folder.glob("*.json"))}
    return {file: (state.st_mtime_ns, state.st_ino) for file, state in found.items()}


def _read(file: Path) -> Mapping[str, Any]:
    report: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    return report


def own_registry(model: Path, name: str, settings: Settings) -> Path:
    """A registry file with the model's entry and the entries that the user has already.

    It lies beside the model's folder: that may be given away, and the user's own entries are not part of it.
    """
    entry = model / REGISTRY
    if settings.models is None:
        return entry
    if name in load_registry(settings.models, cache=settings.cache):
        return settings.models
    joined = model.with_name(_JOINED)
    joined.write_text(
        settings.models.read_text("utf-8").rstrip() + "\n\n" + entry.read_text("utf-8"), encoding="utf-8"
    )
    return joined


def _run(arguments: Sequence[str], environment: Mapping[str, str], *, allowed: int = 0) -> None:
    command = [sys.executable, "-m", "medsearch.cli.main", *arguments]
    done = subprocess.run(command, env=dict(environment), stdout=_STDERR, check=False)
    if done.returncode not in (0, allowed):
        raise _failed(arguments)


def _failed(arguments: Sequence[str]) -> MedsearchError:
    return MedsearchError(
        f"`medsearch {' '.join(arguments)}` failed: mend what it says and run the same `train` command "
        "again; what was trained is not trained again"
    )
