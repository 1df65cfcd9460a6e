"""How to make a results folder again: commands, revisions, packages. Nothing of this machine is named."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medsearch.evaluation.abstention import Calibration
from medsearch.evaluation.results import TaskResult
from medsearch.workbench.board.findings import Findings
from medsearch.workbench.suites import load_suite, suite_names

_PACKAGES = (
    "medsearch", "numpy", "scipy", "onnxruntime", "qdrant-edge-py", "pytrec-eval-terrier", "mteb", "torch",
    "sentence-transformers", "altair", "vl-convert-python",
)  # fmt: skip


_HALF = "half of "
"""How `workbench/calibrate.py` begins the name of a split that was halved."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Commands that make the folder again; `elsewhere` are results of run files, which no command here makes.

    `revisions` is a git revision of medsearch -> how many results it made; `created` is the first and the
    last day; `packages` are those installed where the report was made.
    """

    commands: tuple[str, ...]
    elsewhere: tuple[str, ...]
    revisions: Mapping[str, int]
    created: tuple[str, str]
    packages: Mapping[str, str]


def reproduction_of(findings: Findings) -> Reproduction:
    """What is known of how a folder was made."""
    board = findings.board
    results = [result for row in board.rows for result in row.results.values()]
    ours = [result for result in results if "run" not in result.settings]
    revisions: dict[str, int] = {}
    for result in results:
        revisions[result.git_revision] = revisions.get(result.git_revision, 0) + 1
    created = sorted(result.created for result in results)
    folder = Path("results") / (findings.folder.resolve().name or "report")
    baseline = ("--baseline", board.baseline)
    return Reproduction(
        commands=(
            *_evaluations(ours, folder),
            *_parts(findings, folder),
            shlex.join(["medsearch", "leaderboard", str(folder), *baseline, "--html", "report.html"]),
        ),
        elsewhere=tuple(f"{r.task}, {r.retriever}" for r in results if "run" in r.settings),
        revisions=revisions,
        created=(created[0], created[-1]),
        packages=dict(_packages()),
    )


def _evaluations(results: Sequence[TaskResult], folder: Path) -> Iterator[str]:
    """A command a suite where the tasks are a suite's, else one a task."""
    by_how: dict[tuple[str, ...], dict[str, list[str]]] = {}
    corpora: dict[str, tuple[str, str]] = {}
    for result in results:
        how = by_how.setdefault(tuple(_options(result.settings)), {})
        how.setdefault(result.retriever, []).append(result.task)
        corpora[result.task] = (result.corpus, result.split)
    for how_told, tasks_of in by_how.items():
        by_tasks: dict[tuple[str, ...], list[str]] = {}
        for retriever, tasks in tasks_of.items():
            by_tasks.setdefault(tuple(sorted(tasks)), []).append(retriever)
        for together, retrievers in by_tasks.items():
            told = ["--models", ",".join(retrievers), *how_told, "--out", str(folder)]
            suite = _suite_of(together)
            if suite:
                yield shlex.join(["medsearch", "evaluate", suite, *told])
                continue
            for corpus, split in (corpora[task] for task in together):
                yield shlex.join(["medsearch", "evaluate", corpus, "--split", split, *told])


def _suite_of(tasks: Sequence[str]) -> str:
    """The bundled suite of exactly these tasks; "" where there is none."""
    suites = (load_suite(name) for name in suite_names())
    return next((suite.name for suite in suites if {task.name for task in suite.tasks} == set(tasks)), "")


def _options(settings: Mapping[str, Any]) -> Iterator[str]:
    passages = settings.get("passages")
    if isinstance(passages, Mapping):
        yield from ("--passages", "--passage-tokens", str(passages.get("max_tokens")))
        yield from ("--overlap-tokens", str(passages.get("overlap_tokens")))
    if settings.get("search") == "approximate":
        yield "--approximate"
    if settings.get("ignore_identical_ids"):
        yield "--ignore-identical-ids"


def _parts(findings: Findings, folder: Path) -> Iterator[str]:
    """Stress cards, contamination and calibration, where they were made."""
    out = ["--out", str(folder)]
    if findings.cards:
        yield shlex.join(["medsearch", "stress", "--models", ",".join(findings.cards), *out])
    for report in findings.contamination:
        train = [part for file in report.train for part in ("--train", file.name)]
        told = [part for model in report.models for part in ("--model", model)] if report.named else []
        told += ["--fields", ",".join(report.fields)] if report.fields else []
        yield shlex.join(["medsearch", "contamination", *train, "--suite", report.suite, *told, *out])
    by_how: dict[tuple[str, ...], list[str]] = {}
    for found in findings.calibrations:
        by_how.setdefault(tuple(_calibrate(found)), []).append(found.retriever)
    for command, names in by_how.items():
        yield shlex.join([*command, "--models", ",".join(names), *out])


def _calibrate(found: Calibration) -> Iterator[str]:
    whole = not found.calibrated_on.startswith(_HALF)
    yield from ("medsearch", "calibrate", found.corpus, "--split", found.calibrated_on.removeprefix(_HALF))
    yield from ("--error", f"{found.error:g}", "--others", ",".join(found.outside))
    if whole:
        yield "--report"
    if found.settings.get("search") == "approximate":
        yield "--index"


def _packages() -> Iterator[tuple[str, str]]:
    yield "Python", platform.python_version()
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
