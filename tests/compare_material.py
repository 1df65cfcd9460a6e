"""Result files as `medsearch evaluate` keeps them, with scores of our own making."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fakes import BM25_SPEC, topic_spec

from medsearch.evaluation.keep import file_name, result_stem
from medsearch.evaluation.measures import MEASURES
from medsearch.evaluation.results import TaskResult, read_result_file
from medsearch.types import ModelSpec
from medsearch.workbench.comparison.compare import Compared, CompareRequest, compare

MINI = topic_spec("mini", source="hub:someone/mini", revision="1" * 40)
PROMPTED = topic_spec(
    "prompted", source="hub:someone/prompted", revision="2" * 40, query_prompt="query: ", family="base"
)
TUNED = topic_spec("tuned", source="hub:someone/tuned", revision="3" * 40, family="base", max_tokens=128)
BM25 = BM25_SPEC

TASKS = ("covid_faq/en:test", "meqsum:dev")

Scores = Mapping[str, float]


def some_scores(seed: int, *, queries: int = 40, shift: float = 0.0) -> dict[str, float]:
    """Scores around 0.5 + `shift`; runs of one seed and two shifts differ by about the shift everywhere."""
    drawn = random.Random(seed)
    return {f"q{n}": min(1.0, max(0.0, drawn.uniform(0.3, 0.7) + shift)) for n in range(queries)}


def settings_of(task: str, *specs: ModelSpec) -> dict[str, Any]:
    """The settings of a fair result; all of one task are equal but for their models."""
    return {
        "passages": "whole documents",
        "search": "exact",
        "backend": "onnx",
        "dtype": "float32",
        "engine": "qdrant-edge-py 1",
        "corpus_hash": f"{task} documents",
        "queries_hash": f"{task} queries",
        "qrels_hash": f"{task} judgements",
        "depth": 1000,
        "ignore_identical_ids": False,
        "rejects": 0,
        "models": {spec.name: asdict(spec) for spec in specs},
        "declared_query_prompts": {spec.name: spec.query_prompt for spec in specs},
        "fusion": {"method": "rrf", "k": 60, "depth": 100} if len(specs) > 1 else None,
    }


def record_of(task: str, retriever: str, scores: Scores, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A result record; every measure has the same score."""
    corpus, _, split = task.rpartition(":")
    rows = {query: dict.fromkeys(MEASURES, score) for query, score in scores.items()}
    mean = sum(scores.values()) / len(scores)
    return {
        "corpus": corpus,
        "split": split,
        "documents": 100,
        "queries": len(rows),
        "queries_judged": len(rows),
        "models": {retriever: dict.fromkeys(MEASURES, mean)},
        "per_query": {retriever: rows},
        "settings": dict(settings),
        "warnings": [],
        "git_revision": "abc",
        "created": "2026-01-02T03:04:05+00:00",
    }


def write_record(folder: Path, record: Mapping[str, Any], *, number: int = 1) -> Path:
    """Put a record where `evaluate` would; with `number` 2 as the second of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    [retriever] = record["per_query"]
    stem = result_stem(record["corpus"], record["split"], retriever)
    file = folder / (f"{stem}.json" if number == 1 else f"{stem}.{number}.json")
    file.write_text(json.dumps(record), encoding="utf-8")
    return file


def write_result(folder: Path, task: str, spec: ModelSpec, scores: Scores) -> Path:
    """Keep a fair result of one model."""
    return write_record(folder, record_of(task, spec.name, scores, settings_of(task, spec)))


def change(file: Path, *path: str, to: Any) -> Path:
    """Set the value at `path` of a JSON file; `to` = `...` removes it."""
    record = json.loads(file.read_text("utf-8"))
    place = record
    for key in path[:-1]:
        place = place.setdefault(key, {})
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    file.write_text(json.dumps(record), encoding="utf-8")
    return file


def read(file: Path) -> TaskResult:
    """The one result of a file."""
    [result] = read_result_file(file)
    return result


def two_tasks(folder: Path) -> Path:
    """Results of mini and BM25: on the first task BM25 is far better, on the second they differ by noise."""
    for number, (task, shift) in enumerate(zip(TASKS, (0.2, 0.0), strict=True)):
        plain, noise = some_scores(number), some_scores(90 + number)
        write_result(folder, task, MINI, plain)
        noisy = {query: score + shift + (noise[query] - 0.5) / 10 for query, score in plain.items()}
        write_result(folder, task, BM25, noisy)
    return folder


def compared(folder: Path, a: str = "mini", b: str = "bm25", **changes: Any) -> Compared:
    """The comparison of two retrievers; `changes` replace fields of the request."""
    return compare(replace(CompareRequest(folder, a, b), **changes))


def kept_scores(folder: Path, task: str, retriever: str) -> dict[str, float]:
    """The nDCG@10 of a kept result, by query."""
    [file] = folder.glob(f"{file_name(task.partition(':')[0])}.*.{retriever}.json")
    rows = json.loads(file.read_text("utf-8"))["per_query"][retriever]
    return {query: row["nDCG@10"] for query, row in rows.items()}
