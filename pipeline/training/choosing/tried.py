"""Which candidates were ever compared: one ledger for all training runs, which no restart takes away.

A dev score tells less the more candidates were compared on it; so each is counted, those of runs that were
begun anew too (Cawley and Talbot, 2010: selection on a finite set overfits that set).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsearch.errors import MedsearchError
from medsearch.index.manifest import replace_file
from pipeline.training.job import TrainingJob
from pipeline.training.recipe import NOT_OF_WEIGHTS


class TriedCandidate(BaseModel):
    """One line of the ledger; `recipe` is a hash of the recipe and its data, `mean` that of the dev tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    family: str
    recipe: str
    candidate: str = Field(min_length=1)
    suite: str
    mean: float


@dataclass(frozen=True, slots=True)
class TriedLedger:
    """The file that all runs beside one another share."""

    file: Path

    def add(self, tried: TriedCandidate) -> None:
        """Write a candidate down, once: what is the same in every field is the same candidate.

        Raises:
            MedsearchError: the ledger is damaged.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.file.with_name(f"{self.file.name}.lock")):
            known = self.rows()
            if tried not in known:
                lines = "".join(f"{each.model_dump_json()}\n" for each in (*known, tried))
                replace_file(self.file, lines.encode())

    def count(self, family: str, suite: str) -> int:
        """How many candidates of a family were compared on a suite.

        Raises:
            MedsearchError: the ledger is damaged.
        """
        return sum((each.family, each.suite) == (family, suite) for each in self.rows())

    def rows(self) -> tuple[TriedCandidate, ...]:
        """All that was written down.

        Raises:
            MedsearchError: the ledger is damaged; a count without the line would be too low.
        """
        if not self.file.is_file():
            return ()
        rows = []
        for number, line in enumerate(self.file.read_bytes().splitlines(), 1):
            try:
                rows.append(TriedCandidate.model_validate_json(line))
            except ValidationError:
                raise MedsearchError(
                    f"{self.file}:{number} is no candidate: mend the line, or take it out and count it in "
                    "select.tried_before"
                ) from None
        return tuple(dict.fromkeys(rows))


def recipe_key(job: TrainingJob) -> str:
    """A hash of what weights are learnt by: the recipe without what is at its default, and the data."""
    recipe = job.recipe.model_dump_json(exclude=NOT_OF_WEIGHTS | {"clean_of": True}, exclude_defaults=True)
    texts = sorted(source.sha256 for source in job.sources)
    return sha256(" ".join([recipe, *texts]).encode()).hexdigest()[:16]
