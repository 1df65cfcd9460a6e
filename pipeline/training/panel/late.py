"""nDCG@10 on a panel of a late-interaction model: every document is ranked by MaxSim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.training.panel.scores import means_by_task, query_scores
from pipeline.training.panel.task import PanelTask

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

Tokens = NDArray[np.float32]
"""One text's vectors, shape (tokens, dim)."""

EncodeTokens = Callable[[Sequence[str]], Sequence[Tokens]]
"""Texts to their token vectors, prompts put before them."""

_DOCUMENTS = 256
"""Documents encoded and compared at a time: enough to be sorted by length; vectors of all are not kept."""


def score_panel_late(panel: Sequence[PanelTask], model: MultiVectorEncoder) -> dict[str, float]:
    """Mean nDCG@10 in [0, 1] by task, ranking all documents by MaxSim; the model puts its own prompts."""
    return means_by_task(late_query_scores(panel, *encoders_of(model)))


def encoders_of(model: MultiVectorEncoder) -> tuple[EncodeTokens, EncodeTokens]:
    """What encodes queries and what encodes documents."""

    def queries(texts: Sequence[str]) -> Sequence[Tokens]:
        return list(model.encode_query(list(texts), convert_to_numpy=True, show_progress_bar=False))

    def documents(texts: Sequence[str]) -> Sequence[Tokens]:
        return list(model.encode_document(list(texts), convert_to_numpy=True, show_progress_bar=False))

    return queries, documents


def late_query_scores(
    panel: Sequence[PanelTask],
    encode_queries: EncodeTokens,
    encode_documents: EncodeTokens,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, float]]:
    """Task -> query_id -> nDCG@10; `advance` hears of every text encoded."""
    found = {}
    for task in panel:
        queries = encode_queries(list(task.queries.values()))
        advance(len(queries))
        texts = list(task.documents.values())
        columns = []
        for start in range(0, len(texts), _DOCUMENTS):
            block = encode_documents(texts[start : start + _DOCUMENTS])
            columns.append(max_sim(queries, block))
            advance(len(block))
        found[task.name] = query_scores(task, np.concatenate(columns, axis=1))
    return found


def max_sim(queries: Sequence[Tokens], documents: Sequence[Tokens]) -> NDArray[np.float32]:
    """Shape (queries, documents): for each token of a query the best of a document's, summed.

    Khattab & Zaharia, ColBERT (SIGIR 2020), equation 3. A text without tokens scores 0.
    """
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    columns = [number for number, tokens in enumerate(documents) if len(tokens)]
    if not columns:
        return scores
    starts = np.cumsum([0, *(len(documents[number]) for number in columns[:-1])])
    joined = np.concatenate([documents[number] for number in columns])
    for row, tokens in enumerate(queries):
        if len(tokens):
            best = np.maximum.reduceat(tokens @ joined.T, starts, axis=1)
            scores[row, columns] = best.sum(axis=0)
    return scores
