"""A results folder with all that a leaderboard can hold, scores of our own making."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compare_material import BM25, record_of, settings_of, some_scores, write_record
from fakes import topic_spec

from medsearch.evaluation.provenance import (
    Provenance,
    Selection,
    SelectionTask,
    TrainingData,
    write_provenance,
)
from medsearch.evaluation.stress import Outcome, StressCard
from medsearch.evaluation.stress_cards import write_card
from medsearch.types import ModelSpec, SizeClass

TASKS = {"alpha/en:test": 60, "beta:test": 40, "gamma_of_many_words:test": 24}
PROMPT = "Represent this sentence: "

MINILM = topic_spec("minilm", source="hub:someone/mini", revision="1" * 40, size=SizeClass.SMALL)
SIZES: dict[str, tuple[ModelSpec, ModelSpec]] = {
    size.value: (
        topic_spec(f"bge-{size}", source=f"hub:b/{size}", revision="2" * 40, size=size, query_prompt=PROMPT),
        topic_spec(
            f"medembed-{size}", source=f"hub:m/{size}", revision="3" * 40, size=size, family=f"bge-{size}"
        ),
    )
    for size in SizeClass
}
LEVEL = {"small": 0.0, "base": 0.04, "large": 0.1}

Cost = Mapping[str, Any]


def cost_of(level: float, machine: str = "Example CPU, 2 cores, Linux x86_64") -> Cost:
    """A price that grows with `level`."""
    return {
        "documents_per_second": 70 / level,
        "query_ms_p50": 6.25 * level,
        "query_ms_p99": 9.5 * level,
        "index_bytes_per_document": 2000.0 * level,
        "peak_memory_mib": 310.0 * level,
        "queries_timed": 200,
        "machine": machine,
        "measured": "2026-01-02T03:04:05+00:00",
    }


def put(
    folder: Path,
    task: str,
    specs: ModelSpec | tuple[ModelSpec, ...],
    scores: Mapping[str, float],
    *,
    name: str = "",
    cost: Cost | None = None,
    marks: tuple[str, ...] = (),
    **settings: Any,
) -> Path:
    """Keep one result; `settings` replace those of a fair one."""
    models = specs if isinstance(specs, tuple) else (specs,)
    retriever = name or models[0].name
    record = record_of(task, retriever, scores, {**settings_of(task, *models), **settings})
    record["marks"] = {retriever: list(marks)}
    if cost is not None:
        record["cost"] = {retriever: dict(cost)}
    return write_record(folder, record)


def put_all(folder: Path, specs: ModelSpec | tuple[ModelSpec, ...], shift: float, **how: Any) -> None:
    """One result a task; scores of all retrievers differ by their `shift` on every query."""
    for seed, (task, queries) in enumerate(TASKS.items()):
        put(folder, task, specs, some_scores(seed, queries=queries, shift=shift), **how)


def write_trained(folder: Path, name: str, *, tasks: tuple[str, ...] = ("beta:dev",)) -> ModelSpec:
    """A trained model's folder with its provenance, and the spec of the model in it."""
    folder.mkdir(parents=True)
    chosen_on = [task.rpartition(":") for task in tasks]
    provenance = Provenance(
        model=name,
        base="minilm",
        family="minilm",
        recipe="minilm",
        data=(TrainingData(name="notes", file="triplets.jsonl", sha256="a" * 64, rows=1234),),
        selection=Selection(
            suite="medical-dev",
            tasks=tuple(SelectionTask(corpus=corpus, split=split) for corpus, _, split in chosen_on),
            candidates=12,
            measure="nDCG@10",
            rule="highest mean over tasks",
        ),
        git_revision="abc",
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )
    write_provenance(provenance, folder)
    return replace(MINILM, name=name, source=f"path:{folder}", family="minilm")


def put_card(folder: Path, spec: ModelSpec, passed: int, pairs: int = 40) -> None:
    """A stress card of two categories: `passed` of `pairs` in the first, half of them in the second."""
    outcomes = {
        "negation": {f"n{i}": Outcome.PASSED if i < passed else Outcome.FAILED for i in range(pairs)},
        "dose_and_number": {f"d{i}": Outcome.PASSED if i % 2 else Outcome.TIED for i in range(pairs)},
    }
    settings = {"data_hash": "x", "models": settings_of("t:t", spec)["models"]}
    write_card(StressCard(spec.name, outcomes, settings, "abc", "2026-01-02T03:04:05+00:00"), folder)


def put_contamination(folder: Path, model: str, leaked: Mapping[str, list[str]]) -> Path:
    """A contamination report on one model; `leaked` is task -> ids of queries."""
    rows = {
        task: {
            "queries": len(ids),
            "relevant": 0,
            "documents": 7,
            "queries_checked": 60,
            "leaked_queries": ids,
        }
        for task, ids in leaked.items()
    }
    file = folder / "contamination" / f"{model}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    train = [{"file": "/home/someone/secret/triplets.jsonl", "sha256": "a" * 64, "rows": 1234, "texts": 3702}]
    record = {
        "suite": "medical-local",
        "models": [model],
        "train": train,
        "leaks": sum(map(len, leaked.values())),
        "by_benchmark": rows,
        "pairs": [{"train_text": "SECRET WORDS OF A NOTE"}],
    }
    file.write_text(json.dumps(record), encoding="utf-8")
    return file


def full_folder(folder: Path) -> Path:
    """Everything at once: all sizes, a hybrid, BM25, a trained model, one incomplete, one unfair."""
    put_all(folder, MINILM, 0.0, cost=cost_of(1.0))
    put_all(folder, BM25, -0.06, cost=cost_of(0.1))
    put_all(folder, (MINILM, BM25), 0.02, name="hybrid:minilm", cost=cost_of(1.2))
    for size, (base, tuned) in SIZES.items():
        put_all(folder, base, LEVEL[size] + 0.01, cost=cost_of(1.5 + 20 * LEVEL[size]))
        put_all(folder, tuned, LEVEL[size] + 0.03, cost=cost_of(1.5 + 20 * LEVEL[size]))
    trained = write_trained(folder.parent / "trained", "medsearch-minilm", tasks=("alpha/en:test",))
    put_all(folder, trained, 0.05, cost=cost_of(1.05))
    put_contamination(folder, "medsearch-minilm", {"alpha/en:test": ["q1", "q2", "q3"], "beta:test": []})
    for spec, passed in ((MINILM, 27), (BM25, 15), (trained, 33)):
        put_card(folder, spec, passed)
    few = topic_spec("incomplete", source="hub:x/y", revision="4" * 40)
    put(folder, "beta:test", few, some_scores(1, queries=40, shift=0.2), cost=cost_of(2.0))
    promptless = replace(SIZES["small"][0], name="prompted", family="prompted")
    put_all(
        folder, replace(promptless, query_prompt=""), 0.01,
        declared_query_prompts={"prompted": PROMPT}, marks=("no query prompt",), cost=cost_of(1.5),
    )  # fmt: skip
    return folder
