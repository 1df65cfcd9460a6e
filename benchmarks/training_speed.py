"""Triplets a second and peak memory of training, against a plain script of sentence-transformers.

    python -m benchmarks.training_speed FILE [MODEL] [STEPS] [BATCH]

FILE holds triplet rows with a negative each. Both train the same model on the same rows, with the same batch
and the cached ranking loss; the plain script leaves all else as the library has it: float32, random batches,
one length for all columns. Each runs in a process of its own, in turns.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import keep, summary
from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.weights import locate_weights
from medsearch.settings import Settings

ROUNDS = 3
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
    load = Load(str(Path(file).resolve()), model, int(steps), int(batch))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
    for _ in range(ROUNDS):
        for name, results in found.items():
            results.append(_measured(name, load))
    seconds = {name: summary([each["seconds"] for each in results]) for name, results in found.items()}
    memory = {name: summary([each["peak_mib"] for each in results]) for name, results in found.items()}
    rows = load.steps * load.batch
    ours, plain = found["medsearch"][0], found["sentence-transformers"][0]
    keep(
        "training_speed",
        {
            "what": f"{load.steps} steps of {load.batch} triplets of {Path(file).parent.name} with {model}",
            "seconds": seconds,
            "triplets_a_second": {name: round(rows / time["median"], 2) for name, time in seconds.items()},
            "peak_memory_mib": memory,
            "ratio_of_speed": _ratio(seconds, "sentence-transformers", "medsearch"),
            "ratio_of_memory": _ratio(memory, "medsearch", "sentence-transformers"),
            "precision": {"medsearch": ours["precision"], "sentence-transformers": plain["precision"]},
            "padding_share": ours["padding_share"],
            "padding_share_ungrouped": ours["padding_share_ungrouped"],
        },
    )


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
    from pipeline.training.dense import train_dense
    from pipeline.training.folder import TrainingFolder
    from pipeline.training.job import TrainingJob
    from pipeline.training.recipe import parse_train_recipe
    from pipeline.training.sources import SourceReader

    recipe = parse_train_recipe(
        f'description = "speed"\nname = "speed"\nbase = "{load.model}"\nlicence = "none"\n'
        f"[[data]]\nfile = {json.dumps(load.file)}\nrows = {load.steps * load.batch}\n"
        f"[train]\nsteps = {load.steps}\nbatch = {load.batch}\nmini_batch = {min(MINI_BATCH, load.batch)}\n"
        f"query_tokens = {QUERY_TOKENS}\ndocument_tokens = {DOCUMENT_TOKENS}\n"
        f"evaluate_every = {load.steps}\n",
        "benchmark",
    )
    with tempfile.TemporaryDirectory() as folder:
        sources = SourceReader(Path(folder), recipe.train.seed, Unheard()).read(recipe.data)
        settings = Settings.from_environment()
        job = TrainingJob(recipe, TrainingFolder(Path(folder)), settings, sources, (), Unheard())
        return train_dense(job).facts


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
    lines = Path(load.file).read_text("utf-8").splitlines()
    rows = [row for line in lines if (row := json.loads(line))["split"] == "train" and row["negatives"]]
    rows = rows[: load.steps * load.batch]
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
        done = trainer.train()
    return {"seconds": done.metrics["train_runtime"], "precision": "fp32"}


TRAINERS: Mapping[str, Callable[[Load], Mapping[str, Any]]] = {
    "medsearch": train_ours,
    "sentence-transformers": train_plainly,
}


def _child(name: str, load: str) -> None:
    facts = TRAINERS[name](Load(**json.loads(load)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**facts, "peak_mib": round(peak)}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:4])
    elif len(sys.argv) > 1:
        main(*sys.argv[1:5])
    else:
        raise SystemExit(__doc__)
