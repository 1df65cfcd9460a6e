"""Recipes and batches of late-interaction training on a tiny base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.settings import Settings
from pipeline.training.job import TrainingExample, TrainingJob
from pipeline.training.recipe import TrainRecipe
from pipeline.training.running.collate import Collate

Material = tuple[Settings, Path]
"""The registry's settings, and a file of triplets."""


def _row(number: int, row: dict[str, Any]) -> TrainingExample:
    """Of another length than its neighbours."""
    return TrainingExample(
        row["query"] + " a" * (number % 3),
        row["positive"] + " b" * (2 * number % 5),
        tuple(text + " c" * (3 * number % 4) for text in row["negatives"]),
    )


ROWS = [_row(number, row) for number, row in enumerate(training_rows(7))]
"""A batch, in which texts are of different lengths."""


def make_material(folder: Path) -> Material:
    """Settings with a tiny base that wants a query prompt, and a file of triplets."""
    settings = tiny_registry(folder, make_learner(folder / "tiny"), prompt="represent this : ")
    return settings, write_rows(folder / "rows.jsonl", training_rows())


def late_text(data: Path, tables: str = "", train: str = "", *, dim: int = 16) -> str:
    """A recipe of a tiny late-interaction model; `tables` come behind [train]."""
    tables = tables if "[late]" in tables else f"{tables}\n[late]"
    text = recipe_text(data, tables=tables, train=f"query_tokens = 16\n{train}")
    return text.replace("[[data]]", f'kind = "late_interaction"\ndim = {dim}\nmax_tokens = 32\n[[data]]', 1)


def late_job(
    folder: Path, material: Material, tables: str = "", train: str = "", *, panel: bool = True
) -> TrainingJob:
    """A job of that recipe, in a folder of its own."""
    settings, data = material
    return tiny_job(folder, settings, late_text(data, tables, train), panel=panel)


def batch_of(
    model: MultiVectorEncoder, asked: TrainRecipe, rows: Sequence[TrainingExample] = ROWS
) -> list[dict[str, Any]]:
    """What the loss is given of these rows: the features of queries and of documents."""
    batch = Collate(model, asked)(rows)
    return [
        {
            key.removeprefix(f"{column}_"): value
            for key, value in batch.items()
            if key.startswith(f"{column}_")
        }
        for column in ("query", "document")
    ]
