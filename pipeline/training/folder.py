"""Where the files of a training run lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from medsearch.errors import MedsearchError

CLEAN = "clean"
"""Beside the training runs: files without leaks, which all of them share."""

ABLATIONS = "ablations"
"""Beside the training runs: those of ablations."""


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The files of one training run, by what they hold."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def recipe(self) -> Path:
        """The recipe and what it was given, as the run began: JSON."""
        return self.path / "recipe.json"

    @property
    def history(self) -> Path:
        """One row a logged step, and one a point of the dev curve: JSONL."""
        return self.path / "history.jsonl"

    @property
    def curve(self) -> Path:
        """The page with the loss and the dev curve."""
        return self.path / "curve.html"

    @property
    def checkpoints(self) -> Path:
        """Folders `checkpoint-N`, N being the steps done."""
        return self.path / "checkpoints"

    @property
    def rejects(self) -> Path:
        """Rows of the sources that could not be used, with file, line and reason: JSONL."""
        return self.path / "rejects.jsonl"

    @property
    def data(self) -> Path:
        """The sources' files without the rows that leak into a benchmark."""
        return self.path / "data"

    @property
    def teacher(self) -> Path:
        """What the teacher has said so far, by hashes of texts."""
        return self.path / "teacher"

    @property
    def finished(self) -> Path:
        """What was measured of the training, once it is done: JSON."""
        return self.path / "finished.json"

    @property
    def panel(self) -> Path:
        """The dev panel: queries, documents and judgements."""
        return self.path / "panel"

    @property
    def selection(self) -> Path:
        """Every candidate's dev scores, and which was taken: JSON."""
        return self.path / "selection.json"

    @property
    def tried(self) -> Path:
        """Every candidate that any run beside this one compared: JSONL, shared, and never taken away."""
        return self.path.parent / "candidates.jsonl"

    @property
    def model(self) -> Path:
        """The finished model's folder."""
        return self.path / "model"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the run for one process.

        Raises:
            MedsearchError: another process has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / "run.lock", timeout=0):
                yield
        except Timeout:
            raise MedsearchError(
                f"{self.path} is being used by another process: wait for it, or stop it, then try again"
            ) from None
