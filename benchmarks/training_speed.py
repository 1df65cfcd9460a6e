"""Triplets a second and peak memory of training, against a plain script of sentence-transformers.

    python -m benchmarks.training_speed FILE [MODEL] [STEPS] [BATCH]

FILE holds triplet rows; of those for training with a negative, as many as are needed are drawn once, with the
first negative of each, into one file. Both train the same model on it, with the same batch and the cached
ranking loss; the plain script leaves all else as the library has it: float32, random batches, one length for
all columns. Each runs in a process of its own, in turns. A step's time is from the end of the one before it,
the first step is not counted; memory is the GPU's where there is one.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.record import keep, summary
from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.weights import locate_weights
from medsearch.errors import UsageError
from medsearch.settings import Settings
from pipeline.training.running.history import History
from pipeline.training.running.memory import peak_memory

ROUNDS = 3
SEED = 13
QUERY_TOKENS, DOCUMENT_TOKENS, MINI_BATCH = 64, 192, 32


@dataclass(frozen=True, slots=True)
class Load:
    """What both train on."""

    file: str
    model: str
    steps: int
    batch: int


def main(file: str, model: str = "minilm", steps: str = "40", batch: str = "64") -> None:
    """Train by both in turns, and keep the medians and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        load = Load(str(Path(folder) / "rows.jsonl"), model, int(steps), int(batch))
        draw(Path(file), load)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
        for _ in range(ROUNDS):
            for name, results in found.items():
                results.append(_measured(name, load))
    what = f"{load.steps} steps of {load.batch} triplets of {Path(file).resolve().parent.name} with {model}"
    keep("training_speed", {"what": what, **compared(found, load.batch)})


def draw(file: Path, load: Load) -> None:
    """Write the rows that both train on, drawn by a fixed seed: one file, one negative a row.

    A row that names no split counts as one of train, and says so in the file, which is what both read.

    Raises:
        UsageError: there are too few.
    """
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
    rows = [row for row in lines if row.get("split") in (None, "train") and row.get("negatives")]
    needed = load.steps * load.batch
    if len(rows) < needed:
        raise UsageError(
            f"{file}: {len(rows):,} rows for training have a negative, and {load.steps} steps of "
            f"{load.batch} need {needed:,}: give fewer steps"
        )
    drawn = random.Random(SEED).sample(rows, needed)
    kept = [
        {**row, "split": "train", **{key: row[key][:1] for key in row if key.startswith("negative")}}
        for row in drawn
    ]
    Path(load.file).write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


def compared(found: Mapping[str, Sequence[Mapping[str, Any]]], batch: int) -> dict[str, Any]:
    """Medians over the rounds of each side's seconds a step and memory, and their ratios."""
    seconds = {name: summary([_mean_step(each) for each in results]) for name, results in found.items()}
    memory = {name: summary([each["peak_mib"] for each in results]) for name, results in found.items()}
    ours, plain = found["medsearch"][0], found["sentence-transformers"][0]
    return {
        "seconds_a_step": seconds,
        "triplets_a_second": {name: round(batch / time["median"], 2) for name, time in seconds.items()},
        "peak_memory_mib": memory,
        "ratio_of_speed": _ratio(seconds, "sentence-transformers", "medsearch"),
        "ratio_of_memory": _ratio(memory, "medsearch", "sentence-transformers"),
        "precision": {"medsearch": ours["precision"], "sentence-transformers": plain["precision"]},
        "device": ours["device"],
        "padding_share": ours["padding_share"],
        "padding_share_without_grouping": ours["padding_share_without_grouping"],
        "padding_share_ungrouped": ours["padding_share_ungrouped"],
    }


def _mean_step(result: Mapping[str, Any]) -> float:
    """The first step warms up: kernels are chosen, memory is taken."""
    steps: Sequence[float] = result["step_seconds"]
    return sum(steps[1:]) / len(steps[1:])


def _ratio(measured: Mapping[str, Mapping[str, float]], above: str, below: str) -> float:
    return round(measured[above]["median"] / measured[below]["median"], 2)


def _measured(name: str, load: Load) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_speed", "--child", name, json.dumps(asdict(load))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def train_ours(load: Load) -> Mapping[str, Any]:
    """By a recipe: joint chunks by length, queries cut on their own, bf16 where the hardware has it."""
    from pipeline.cli.train import Unheard
    from pipeline.training.data.sources import SourceReader
    from pipeline.training.dense.train import train_dense
    from pipeline.training.folder import TrainingFolder
    from pipeline.training.job import TrainingJob
    from pipeline.training.recipe import parse_train_recipe

    recipe = parse_train_recipe(
        f'description = "speed"\nname = "speed"\nbase = "{load.model}"\nlicence = "none"\n'
        f"[[data]]\nfile = {json.dumps(load.file)}\n"
        f"[train]\nsteps = {load.steps}\nbatch = {load.batch}\nmini_batch = {min(MINI_BATCH, load.batch)}\n"
        f"query_tokens = {QUERY_TOKENS}\ndocument_tokens = {DOCUMENT_TOKENS}\n"
        f"evaluate_every = {load.steps}\n",
        "benchmark",
    )
    with tempfile.TemporaryDirectory() as folder:
        sources = SourceReader(Path(folder), recipe.train.seed, Unheard()).read(recipe.data)
        settings = Settings.from_environment()
        job = TrainingJob(recipe, TrainingFolder(Path(folder)), settings, sources, (), Unheard())
        facts = train_dense(job).facts
        steps = [row["seconds"] for row in History(job.folder.history).rows() if "loss" in row]
        return {**facts, "step_seconds": steps}


def train_plainly(load: Load) -> Mapping[str, Any]:
    """As the library's documentation shows it."""
    from datasets import Dataset  # type: ignore[import-untyped]  # it has no types
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    settings = Settings.from_environment()
    spec = find_model(load.model, load_registry(settings.models, cache=settings.cache))
    model = SentenceTransformer(str(locate_weights(spec)))
    model.max_seq_length = min(DOCUMENT_TOKENS, spec.max_tokens)
    rows = [json.loads(line) for line in Path(load.file).read_text("utf-8").splitlines()]
    data = Dataset.from_dict(
        {
            "anchor": [row["query"] for row in rows],
            "positive": [row["positive"] for row in rows],
            "negative": [row["negatives"][0] for row in rows],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=load.steps,
            per_device_train_batch_size=load.batch,
            save_strategy="no",
            report_to="none",
        )
        loss = CachedMultipleNegativesRankingLoss(model, mini_batch_size=min(MINI_BATCH, load.batch))
        trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=loss)
        steps = _watched(trainer)
        trainer.train()
    return {"step_seconds": steps, "precision": "fp32"}


def _watched(trainer: Any) -> list[float]:
    """What takes each step's seconds once the trainer runs."""
    from transformers import TrainerCallback

    ends: list[float] = []
    seconds: list[float] = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *_: object, **__: object) -> None:
            ends.append(perf_counter())

        def on_step_end(self, *_: object, **__: object) -> None:
            ends.append(perf_counter())
            seconds.append(ends[-1] - ends[-2])

    trainer.add_callback(Clock())
    return seconds


TRAINERS: Mapping[str, Callable[[Load], Mapping[str, Any]]] = {
    "medsearch": train_ours,
    "sentence-transformers": train_plainly,
}


def _child(name: str, load: str) -> None:
    facts = TRAINERS[name](Load(**json.loads(load)))
    print(json.dumps({**facts, "peak_mib": peak_memory()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:4])
    elif len(sys.argv) > 1:
        main(*sys.argv[1:5])
    else:
        raise SystemExit(__doc__)
