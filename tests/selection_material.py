"""A tiny training run as training leaves it: a base, dev corpora, checkpoints, and the job that made them."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from fakes import TOPICS, Heard
from safetensors.numpy import load_file, save_file
from tiny_adapter import make_tiny_adapter
from tiny_bert import DIM, WORDS, make_tiny_bert

from medsearch.settings import Settings
from pipeline.training.folder import TrainingFolder
from pipeline.training.job import Trained, TrainingExample, TrainingJob, TrainingSource
from pipeline.training.panel.task import PanelTask
from pipeline.training.recipe import TrainRecipe

TOKENS = 48
PROMPT = "Represent this sentence: "
MODEL, BASE, SUITE = "tiny-tuned", "tiny-base", "tiny-dev"
SECRET_WORDS = "nobody may read this note"


def write_corpus(data: Path, name: str, *, documents: int = 60, queries: int = 12, seed: int = 1) -> Path:
    """A BEIR corpus of topic words with the split dev; the first query of each has two right answers."""
    chance = random.Random(seed)
    words = [*WORDS[:-8], *(word for topic in TOPICS for word in topic)]
    corpus = data / name
    (corpus / "qrels").mkdir(parents=True)
    texts = {f"d{n:03}": " ".join(chance.choices(words, k=chance.randint(4, 20))) for n in range(documents)}
    asked = {f"q{n:02}": " ".join(texts[f"d{n:03}"].split()[:4]) for n in range(queries)}
    for part, rows in (("corpus", texts), ("queries", asked)):
        lines = [json.dumps({"_id": key, "title": "", "text": text}) + "\n" for key, text in rows.items()]
        (corpus / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    judged = ["query-id\tcorpus-id\tscore", *(f"q{n:02}\td{n:03}\t1" for n in range(queries))]
    judged += [f"q00\td{documents - 1:03}\t2", f"q01\td{documents - 2:03}\t0"]
    (corpus / "qrels" / "dev.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return corpus


def write_suite(file: Path, *tasks: str, role: str = "choose") -> Path:
    """A suite of these tasks."""
    file.write_text(f'role = "{role}"\ntasks = {json.dumps(tasks)}\n', encoding="utf-8")
    return file


@dataclass(frozen=True)
class TinyRun:
    """The job and what training left; `base` is the base's folder."""

    job: TrainingJob
    trained: Trained
    base: Path
    heard: Heard


def tiny_settings(root: Path) -> Settings:
    """Two dev corpora, their suite, and a registry with the tiny base, which wants a query prompt."""
    for number, name in enumerate(("first", "more/second")):
        write_corpus(root / "data", name, seed=number)
    write_suite(root / f"{SUITE}.toml", "first:dev", "more/second:dev")
    base = make_tiny_bert(root / "base", pooling="mean", max_tokens=TOKENS)
    registry = root / "models.toml"
    registry.write_text(
        f'[{BASE}]\nsource = "path:{base}"\nrevision = "1"\nkind = "dense"\npooling = "mean"\n'
        f'max_tokens = {TOKENS}\ndim = {DIM}\nlicence = "mit"\nquery_prompt = "{PROMPT}"\nsize = "small"\n',
        encoding="utf-8",
    )
    return Settings(
        data=(root / "data",), index=root / "index", cache=root / "cache", models=registry,
        looks=root / "looks.jsonl",
    )  # fmt: skip


def tiny_run(root: Path, *, lora: bool = False, checkpoints: int = 2, **select: Any) -> TinyRun:
    """A run with this many checkpoints, each a little further from the base; `select` is of the recipe."""
    from pipeline.training.panel.build import build_panel

    settings, heard = tiny_settings(root), Heard()
    recipe = TrainRecipe.model_validate(
        {
            "description": "a tiny model",
            "name": MODEL,
            "base": BASE,
            "licence": "apache-2.0",
            "data": [{"file": "triplets.jsonl"}],
            "train": {"steps": 10, "keep_checkpoints": 5},
            "loss": {"matryoshka": [DIM, 8]},
            **({"lora": {"rank": 4, "alpha": 6}} if lora else {}),
            "select": {
                "suite": str(root / f"{SUITE}.toml"), "queries": 10, "distractors": 2, "random_documents": 5,
                "checkpoints": checkpoints, "base_shares": [0.0, 0.5], **select,
            },
        }
    )  # fmt: skip
    folder = TrainingFolder(root / "training" / "tiny")
    panel = build_panel(recipe.select, BASE, settings, heard, keep=folder.panel)
    job = TrainingJob(recipe, folder, settings, (_source(root),), panel, heard)
    made = [
        _adapter(root, folder.checkpoints, step) if lora else _moved(root, folder.checkpoints, step)
        for step in range(1, checkpoints + 1)
    ]
    return TinyRun(job, Trained(tuple(made), 10 * checkpoints, {"seconds": 1.5}), root / "base", heard)


def tiny_guard() -> tuple[PanelTask, ...]:
    """Three questions outside medicine."""
    answers = {"d1": "high pressure in the blood", "d2": "a child was eating", "d3": "the low of cough"}
    asked = {"q1": "pressure", "q2": "child eating", "q3": "low"}
    return (PanelTask("tiny trivia", asked, answers, {f"q{n}": {f"d{n}": 1} for n in (1, 2, 3)}),)


def _source(root: Path) -> TrainingSource:
    rows = [
        {"query": SECRET_WORDS, "source": {"corpus": "notes", "licence": licence}}
        for licence in ("CC BY", "")
    ]
    file = root / "triplets.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]), encoding="utf-8")
    example = TrainingExample(SECRET_WORDS, "yes", ())
    return TrainingSource("notes", 1.0, (example,), file, sha256(file.read_bytes()).hexdigest())


def _moved(root: Path, checkpoints: Path, step: int) -> Path:
    """The base with noise in every weight, more for each step, as a checkpoint is saved."""
    folder = checkpoints / f"checkpoint-{10 * step}"
    shutil.copytree(root / "base", folder)
    chance = np.random.default_rng(step)
    weights = load_file(folder / "model.safetensors")
    moved = {
        name: (tensor + 0.1 * step * chance.standard_normal(tensor.shape)).astype(tensor.dtype)
        for name, tensor in weights.items()
    }
    save_file(moved, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "optimizer.pt").write_bytes(b"not for the model's folder")
    return folder


def _adapter(root: Path, checkpoints: Path, step: int) -> Path:
    return make_tiny_adapter(root / "base", checkpoints / f"checkpoint-{10 * step}", seed=step)
