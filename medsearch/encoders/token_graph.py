"""Runs the ONNX export of a late-interaction model: text to one vector a token; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsearch.types import Vectors

SETTINGS = "token_vectors.json"
GRAPH = "model.onnx"
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Expansion:
    """ColBERT's query expansion: places behind a query up to `length` are filled with `token` and scored.

    With `attend` the transformer also reads them; `fixed` cuts a longer query at `length`.

    Source: Khattab & Zaharia, "ColBERT", SIGIR 2020.
    """

    token: int
    length: int
    attend: bool
    fixed: bool


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What the graph does not say of the model: lengths in tokens, special ones included, and what is scored.

    `skipped` are ids of tokens, such as punctuation, whose vectors are dropped on the sides that
    `skip_queries` and `skip_documents` name.
    """

    query_tokens: int
    document_tokens: int
    pad: int
    expansion: Expansion | None
    skipped: tuple[int, ...]
    skip_queries: bool
    skip_documents: bool


class TokenGraph:
    """An export in `folder`: `model.onnx`, `tokenizer.json` and the settings that `TokenSettings` has.

    The graph takes `input_ids` and `attention_mask`, int64 (batch, sequence), and gives `token_vectors`,
    float32 (batch, sequence, dim), rows L2-normalised. `graph` is another file of the folder, such as one
    with 8-bit weights.
    """

    def __init__(self, folder: Path, *, graph: str = GRAPH, threads: int | None = None) -> None:
        import onnxruntime
        from pydantic import TypeAdapter
        from tokenizers import Tokenizer

        self.settings: TokenSettings = TypeAdapter(TokenSettings).validate_json(
            (folder / SETTINGS).read_bytes()
        )
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / graph), options, providers=["CPUExecutionProvider"]
        )
        # Two, since the length that a tokenizer cuts at is its own.
        self._tokenizers = [Tokenizer.from_file(str(folder / "tokenizer.json")) for _ in range(2)]
        for tokenizer, length in zip(self._tokenizers, self._cuts(), strict=True):
            tokenizer.no_padding()
            tokenizer.enable_truncation(length)

    def queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Each of shape (tokens, dim); the text has its prompt already."""
        return self._encode(texts, query=True)

    def documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Each of shape (tokens, dim), skipped tokens left out; the text has its prompt already."""
        return self._encode(texts, query=False)

    def _cuts(self) -> tuple[int, int]:
        """Tokens at which queries and documents are cut."""
        settings, expansion = self.settings, self.settings.expansion
        if expansion is None:
            return settings.query_tokens, settings.document_tokens
        return expansion.length if expansion.fixed else settings.query_tokens, settings.document_tokens

    def _encode(self, texts: Sequence[str], *, query: bool) -> list[Vectors]:
        # Longest first: texts of one length share a batch, which is padded to its longest.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        found: dict[int, Vectors] = {}
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            ids, attention, scored = self._inputs([texts[i] for i in batch], query=query)
            (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": attention})
            found |= {i: row[kept] for i, row, kept in zip(batch, vectors, scored, strict=True)}
        return [found[i] for i in range(len(texts))]

    def _inputs(
        self, texts: list[str], *, query: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Ids, attention and which places are scored; all (texts, sequence)."""
        settings, expansion = self.settings, self.settings.expansion if query else None
        rows = [row.ids for row in self._tokenizers[0 if query else 1].encode_batch(texts)]
        lengths = np.array([len(row) for row in rows])
        width = max(int(lengths.max()), expansion.length if expansion else 0)
        ids = np.full((len(rows), width), settings.pad, dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        real = np.arange(width) < lengths[:, None]
        scored, attention = real, real
        if expansion is not None:
            added = ~real & (np.arange(width) < expansion.length)
            ids[added] = expansion.token
            scored = real | added
            attention = scored if expansion.attend else real
        if settings.skipped and (settings.skip_queries if query else settings.skip_documents):
            scored = scored & ~np.isin(ids, settings.skipped)
        return ids, attention.astype(np.int64), scored
