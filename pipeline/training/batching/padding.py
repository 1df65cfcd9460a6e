"""How long texts are in tokens, and how much of a batch is padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.training.batching.batches import Batch, BatchPlan
from pipeline.training.job import TrainingExample
from pipeline.training.recipe import TrainRecipe

_LOOKED_AT = 400

_SPECIAL = 2
"""[CLS] and [SEP]."""

_CHARACTERS = 12
"""A token has hardly more; what lies beyond is cut off anyway, and is not counted."""


class TokenLengths:
    """Tokens of every text of the examples, cut as training cuts them; special tokens are counted.

    `count` gives tokens without special ones (`medsearch.encoders.tokens.token_counter`).
    """

    def __init__(
        self,
        rows: Sequence[TrainingExample],
        count: Callable[[Sequence[str]], list[int]],
        recipe: TrainRecipe,
    ) -> None:
        self._rows = rows
        self._limits = (recipe.train.query_tokens, recipe.train.document_tokens)
        self._expanded = recipe.late is not None and recipe.late.expansion
        self._negatives = recipe.loss.negatives
        texts = list(dict.fromkeys(text for row in rows for text in (row.query, *self._documents(row))))
        longest = _CHARACTERS * max(self._limits)
        self._tokens = dict(zip(texts, count([text[:longest] for text in texts]), strict=True))

    @property
    def of_rows(self) -> NDArray[np.int64]:
        """What a row's padding depends on: tokens of its documents together; shape (rows,)."""
        totals = [sum(self._document(text) for text in self._documents(row)) for row in self._rows]
        return np.asarray(totals, dtype=np.int64)

    def columns(self, batch: Batch) -> Iterator[NDArray[np.int64]]:
        """Tokens a text, for the queries of a batch, its positives, and each column of negatives."""
        rows = [self._rows[number] for number in batch.rows]
        yield np.asarray([self._query(row.query) for row in rows])
        for column in zip(*(self._documents(row, batch.negatives) for row in rows), strict=True):
            yield np.asarray([self._document(text) for text in column])

    def _query(self, text: str) -> int:
        return self._limits[0] if self._expanded else min(self._tokens[text] + _SPECIAL, self._limits[0])

    def _document(self, text: str) -> int:
        return min(self._tokens[text] + _SPECIAL, self._limits[1])

    def _documents(self, row: TrainingExample, negatives: int | None = None) -> tuple[str, ...]:
        return (row.positive, *row.negatives[: self._negatives if negatives is None else negatives])


@dataclass(frozen=True, slots=True)
class Chunks:
    """Which texts are padded to one length.

    At most `rows` at once, taken from a device's queries and from all its documents, each sorted by length;
    not `joined`: taken from queries, positives and each column of negatives, in the batch's order.
    """

    rows: int
    joined: bool = True


def padded_tokens(
    batch: Batch, lengths: TokenLengths, chunks: Chunks, *, devices: int = 1
) -> tuple[int, int]:
    """Tokens of a batch's texts, and tokens computed with padding."""
    real = padded = 0
    size = len(batch.rows) // devices
    for start in range(0, len(batch.rows), size):
        columns = list(lengths.columns(replace(batch, rows=batch.rows[start : start + size])))
        if chunks.joined:
            columns = [np.sort(columns[0]), np.sort(np.concatenate(columns[1:]))]
        for column in columns:
            real += int(column.sum())
            for place in range(0, len(column), chunks.rows):
                part = column[place : place + chunks.rows]
                padded += int(part.max()) * len(part)
    return real, padded


def padding_share(plan: BatchPlan, lengths: TokenLengths, chunks: Chunks) -> float:
    """Share of all tokens computed that are padding, over the plan's first 400 batches."""
    found = [
        padded_tokens(batch, lengths, chunks, devices=plan.rules.devices)
        for batch in plan.batches[:_LOOKED_AT]
    ]
    real, padded = (sum(column) for column in zip(*found, strict=True))
    return float(1 - real / padded)
