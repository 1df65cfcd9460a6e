"""Where the files of a run lie: `data/interim/<run>/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from medsearch.errors import MedsearchError, UsageError
from medsearch.index.manifest import replace_file
from pipeline.recipe import Recipe, load_recipe, parse_kept

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run, by what they hold."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def pool(self) -> Path:
        """A BEIR corpus of all passages that can be positives or negatives; notes are masked."""
        return self.path / "pool"

    @property
    def pool_file(self) -> Path:
        """The pool's documents: `_id`, `title`, `text`, `metadata` (`doc_id`, `group`, `licence`, …)."""
        return self.pool / "corpus.jsonl"

    @property
    def notes(self) -> Path:
        """The masked notes and the places of their passages: `NoteRow`."""
        return self.path / "notes.jsonl"

    @property
    def generated(self) -> Path:
        """What `generate` keeps: `GeneratedRow`."""
        return self.path / "generated.jsonl"

    @property
    def set_aside(self) -> Path:
        """What `generate` could not use: `SetAsideRow`."""
        return self.path / "set_aside.jsonl"

    @property
    def pairs(self) -> Path:
        """What `filter` keeps, or `convert` makes: `PairRow`."""
        return self.path / "pairs.jsonl"

    @property
    def judged(self) -> Path:
        """Judgements below the relevant grade, which `convert` keeps for mining: `JudgedRow`."""
        return self.path / "judged.jsonl"

    @property
    def dropped(self) -> Path:
        """What `filter` drops: `DroppedRow`."""
        return self.path / "dropped.jsonl"

    @property
    def checks(self) -> Path:
        """What `filter` measured of every row, kept or not: `CheckedRow`."""
        return self.path / "checks.jsonl"

    @property
    def triplets(self) -> Path:
        """What `mine` makes: `TripletRow`."""
        return self.path / "triplets.jsonl"

    @property
    def unmined(self) -> Path:
        """Pairs for which `mine` found no negative, or that it may not use: `DroppedRow`."""
        return self.path / "unmined.jsonl"

    @property
    def report(self) -> Path:
        """The folder of the dataset: card, parquet files, sample page."""
        return self.path / "dataset"

    def recipe(self, name: str | None, *, default: str = "smollm2") -> Recipe:
        """The recipe asked for; else the one this run was begun with; else the default.

        Raises:
            UsageError: there is no such recipe, or it is not valid.
        """
        if name is None and self._recipe_file.is_file():
            return parse_kept(self._recipe_file.read_text(encoding="utf-8"), str(self._recipe_file))
        return load_recipe(name or default)

    def recipe_with(self, table: Literal["filter", "mine"], name: str | None) -> Recipe:
        """The run's recipe, with one stage's table taken from the recipe asked for; it is kept so.

        Raises:
            UsageError: as `recipe`.
        """
        kept = self.recipe(None)
        if name is not None:
            kept = kept.model_copy(update={table: getattr(self.recipe(name), table)})
            self.keep(kept)
        return kept

    def keep(self, recipe: Recipe) -> None:
        """Remember the recipe for the stages to come."""
        self.path.mkdir(parents=True, exist_ok=True)
        replace_file(self._recipe_file, recipe.model_dump_json(indent=2).encode() + b"\n")

    def keep_first(self, recipe: Recipe) -> None:
        """Remember the recipe unless the run has one: an interrupted first sitting leaves it for the next."""
        if not self._recipe_file.is_file():
            self.keep(recipe)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the run for one process: stages read what others write.

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

    @property
    def _recipe_file(self) -> Path:
        return self.path / "recipe.json"


def open_run(name: str, runs: Path) -> RunFolder:
    """The run of a name in the folder of runs; it need not be there yet.

    Raises:
        UsageError: the name could not be a folder's.
    """
    flat = name.strip().replace("/", "-")
    if not _NAME.fullmatch(flat) or len(flat) > _LONGEST_NAME:
        raise UsageError(
            f"{flat[:_LONGEST_NAME]!r} is no name for a run: give one with --run, of up to {_LONGEST_NAME} "
            "letters, digits, '.', '_' and '-'"
        )
    return RunFolder(runs / flat)
