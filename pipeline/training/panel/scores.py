"""nDCG@10 on a panel: of one vector a text, and of one vector a token. Every document is ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsearch.evaluation.measures import judged_queries, per_query_scores
from medsearch.types import Vectors
from pipeline.training.panel.task import PanelTask

MEASURE = "nDCG@10"
DEPTH = 10

Encode = Callable[[Sequence[str]], Vectors]
"""Texts to vectors of shape (len(texts), dim), rows normalised."""

QueryScores = Mapping[str, Mapping[str, float]]
"""task -> query_id -> nDCG@10 in [0, 1]."""

_BLOCK = 512
"""Texts encoded at a time: enough for an encoder to sort them by length, few enough to show progress."""


@dataclass(frozen=True, slots=True)
class PanelVectors:
    """A task's vectors, rows in the order of its queries and documents."""

    queries: Vectors
    documents: Vectors


def score_panel(
    panel: Sequence[PanelTask], encode_queries: Encode, encode_documents: Encode
) -> dict[str, float]:
    """Mean nDCG@10 in [0, 1] by task; ties are broken as trec_eval breaks them.

    The encoders put prompts before texts themselves, and give normalised vectors.
    """
    vectors = encode_panel(panel, encode_queries, encode_documents)
    return means_by_task(scores_of_vectors(panel, vectors))


def encode_panel(
    panel: Sequence[PanelTask],
    encode_queries: Encode,
    encode_documents: Encode,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[PanelVectors, ...]:
    """The vectors of all tasks; `advance` hears of every block of texts encoded."""

    def encoded(texts: Iterable[str], encode: Encode) -> Vectors:
        whole = list(texts)
        blocks = []
        for start in range(0, len(whole), _BLOCK):
            block = whole[start : start + _BLOCK]
            blocks.append(np.asarray(encode(block), dtype=np.float32))
            advance(len(block))
        return np.concatenate(blocks)

    return tuple(
        PanelVectors(
            encoded(task.queries.values(), encode_queries),
            encoded(task.documents.values(), encode_documents),
        )
        for task in panel
    )


def scores_of_vectors(
    panel: Sequence[PanelTask], vectors: Sequence[PanelVectors], *, dim: int = 0
) -> dict[str, dict[str, float]]:
    """Task -> query_id -> nDCG@10, of vectors cut to their first `dim` numbers (0: whole)."""
    found = {}
    for task, of_task in zip(panel, vectors, strict=True):
        queries, documents = (_cut(side, dim) for side in (of_task.queries, of_task.documents))
        found[task.name] = query_scores(task, queries @ documents.T)
    return found


def query_scores(task: PanelTask, scores: NDArray[np.float32]) -> dict[str, float]:
    """query_id -> nDCG@10; `scores` has shape (queries, documents)."""
    ids = list(task.documents)
    run = {
        query_id: _best(dict(zip(ids, row.tolist(), strict=True)), query_id, task)
        for query_id, row in zip(task.queries, scores, strict=True)
    }
    qrels = {query_id: task.qrels[query_id] for query_id in judged_queries(task.qrels)}
    return {query_id: found[MEASURE] for query_id, found in per_query_scores(qrels, run).items()}


def means_by_task(scores: QueryScores) -> dict[str, float]:
    """Task -> mean over its queries."""
    return {task: sum(of_task.values()) / len(of_task) for task, of_task in scores.items()}


def mean_over_tasks(means: Mapping[str, float]) -> float:
    """Each task counts once; 0 where there is none."""
    return sum(means.values()) / len(means) if means else 0.0


def texts_in(panel: Sequence[PanelTask]) -> int:
    """How many texts a model reads to be scored."""
    return sum(len(task.queries) + len(task.documents) for task in panel)


def _best(scores: dict[str, float], query_id: str, task: PanelTask) -> dict[str, float]:
    """The best documents: ten, and whatever ties with the last of them."""
    if task.ignore_identical_ids:
        scores.pop(query_id, None)
    if len(scores) <= DEPTH:
        return scores
    least = sorted(scores.values(), reverse=True)[DEPTH - 1]
    return {doc_id: score for doc_id, score in scores.items() if score >= least}


def _cut(vectors: Vectors, dim: int) -> Vectors:
    """The first `dim` numbers of each row, normalised again (Kusupati et al., NeurIPS 2022)."""
    if not dim or dim >= vectors.shape[1]:
        return vectors
    cut = vectors[:, :dim]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    return np.asarray(cut / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
