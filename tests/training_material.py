"""Training examples that a tiny BERT can learn: the one word that query and answer share is what counts.

The vocabulary of `tiny_bert` has single letters, so any text is known; the base ranks by the letters too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakes import Heard
from tiny_bert import make_tiny_bert

from medsearch.settings import Settings
from pipeline.training.data.sources import SourceReader
from pipeline.training.folder import TrainingFolder
from pipeline.training.job import TrainingJob, TrainingSource
from pipeline.training.panel.task import PanelTask
from pipeline.training.recipe import TrainRecipe, parse_train_recipe

TOPICS = (
    "pain", "chest", "eating", "heart", "attack", "fever", "cough", "child", "adult", "dose", "drug", "blood",
    "pressure", "high", "low", "treatment",
)  # fmt: skip
"""What is asked about: the one word that a query shares with its answer, among letters at random."""


def make_learner(folder: Path, *, seed: int = 0) -> Path:
    """A tiny BERT that can learn in few steps: `make_tiny_bert`'s, with smaller weights in its layers.

    Its weights are spread so that texts get clearly different vectors, which are then hard to move.
    """
    from safetensors.torch import load_file, save_file

    file = make_tiny_bert(folder, seed=seed) / "model.safetensors"
    weights = load_file(file)
    calmer = {
        name: tensor * 0.3 if tensor.ndim == 2 and "word_embeddings" not in name else tensor
        for name, tensor in weights.items()
    }
    save_file(calmer, file, metadata={"format": "pt"})
    return folder


def training_rows(count: int = 200, *, negatives: int = 2, seed: int = 0) -> list[dict[str, object]]:
    """Rows of a triplet file; letters in query and answer make every text its own."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        topic = TOPICS[number % len(TOPICS)]
        others = [name for name in TOPICS if name != topic]
        wrong = [_answer(chance.choice(others), 1_000 + number * 7 + place) for place in range(negatives)]
        rows.append(triplet_row(number, _query(topic, number), _answer(topic, number), wrong))
    return rows


def _query(topic: str, number: int) -> str:
    return f"what is {topic} {_letters(number)}"


def _answer(topic: str, number: int) -> str:
    # Other letters than the query's: they must not be what a model goes by.
    return f"{_letters(9_000 - 37 * number % 8_000)} {topic} is in this"


def _letters(number: int) -> str:
    return " ".join("ghijklmnop"[int(digit)] for digit in str(number))


def triplet_row(number: int, query: str, positive: str, negatives: Sequence[str]) -> dict[str, object]:
    """One row, with everything that a triplet's record asks for."""
    return {
        "row_id": f"r{number}",
        "query_id": f"q{number}",
        "query": query,
        "positive": positive,
        "negatives": list(negatives),
        "kind": "judged",
        "split": "train",
        "positive_id": f"p{number}",
        "positive_score": 0.5,
        "negative_ids": [f"n{number}.{place}" for place in range(len(negatives))],
        "negative_scores": [0.1] * len(negatives),
        "found_by": ["bm25"] * len(negatives),
        "source": {"corpus": "made", "doc_id": f"d{number}"},
    }


def pair_row(number: int, query: str, positive: str) -> dict[str, object]:
    """One row of a pair file."""
    return {
        "row_id": f"r{number}",
        "query_id": f"q{number}",
        "query": query,
        "kind": "judged",
        "positive_id": f"p{number}",
        "positive": positive,
        "source": {"corpus": "made", "doc_id": f"d{number}"},
    }


def write_rows(file: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A JSONL file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def dev_task(count: int = 60) -> PanelTask:
    """Queries on the topics, with letters that no training row has; answers on the same topic are right."""
    names = [TOPICS[number % len(TOPICS)] for number in range(count)]
    queries = {f"q{n}": _query(name, 5_000 + n) for n, name in enumerate(names)}
    documents = {f"d{n}": _answer(name, 7_000 + n) for n, name in enumerate(names)}
    qrels = {
        f"q{n}": {f"d{m}": 1 for m, other in enumerate(names) if other == name}
        for n, name in enumerate(names)
    }
    return PanelTask("made", queries, documents, qrels)


def recipe_text(data: Path | str, *, train: str = "", tables: str = "") -> str:
    """A recipe of the tiny model: `train` overrides lines of [train], `tables` come behind it."""
    given = {line.partition("=")[0].strip() for line in train.splitlines()}
    default = {
        "steps": "40",
        "batch": "8",
        "query_tokens": "24",
        "document_tokens": "24",
        "learning_rate": "2e-3",
        "precision": '"fp32"',
        "dropout": "0.0",
        "evaluate_every": "20",
        "keep_checkpoints": "2",
    }
    lines = "\n".join(f"{key} = {value}" for key, value in default.items() if key not in given)
    return (
        f'description = "test"\nname = "tiny-tuned"\nbase = "tiny"\nlicence = "apache-2.0"\nclean_of = []\n'
        f'[[data]]\nfile = "{data}"\n[train]\n{lines}\n{train}\n{tables}\n'
    )


def tiny_registry(folder: Path, model: Path, *, pooling: str = "cls", prompt: str = "") -> Settings:
    """Settings whose registry has the model as `tiny`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.toml").write_text(
        f'[tiny]\nsource = "path:{model}"\nrevision = "1"\nkind = "dense"\npooling = "{pooling}"\n'
        f'max_tokens = 64\ndim = 32\nlicence = "mit"\nquery_prompt = "{prompt}"\n',
        encoding="utf-8",
    )
    return Settings(
        data=(), index=folder / "index", cache=folder / "cache", models=folder / "models.toml", looks=None
    )


def read_sources(recipe: TrainRecipe, runs: Path) -> tuple[TrainingSource, ...]:
    """The recipe's sources."""
    return SourceReader(runs, recipe.train.seed, Heard()).read(recipe.data)


def tiny_job(folder: Path, settings: Settings, text: str, *, panel: bool = True) -> TrainingJob:
    """A job of the recipe in `text`, in a folder of its own."""
    recipe = parse_train_recipe(text, "test")
    folder.mkdir(parents=True, exist_ok=True)
    return TrainingJob(
        recipe=recipe,
        folder=TrainingFolder(folder),
        settings=settings,
        sources=read_sources(recipe, folder),
        panel=(dev_task(),) if panel else (),
        progress=Heard(),
    )
