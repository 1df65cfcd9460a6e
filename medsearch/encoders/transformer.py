"""The reference encoder: sentence-transformers, its modules built from the registry's entry alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medsearch.encoders.merged import ready_weights
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec, Vectors


class TransformerEncoder:
    """Encodes with torch, in float32, on a GPU where there is one.

    Raises:
        ModelUnavailableError: The weights are missing or not the pinned ones, or torch is not installed.
    """

    def __init__(self, spec: ModelSpec, *, cache: Path) -> None:
        folder = ready_weights(spec, cache=cache)
        try:
            from sentence_transformers import SentenceTransformer
            from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
        except ModuleNotFoundError as error:
            raise ModelUnavailableError(
                f"the transformer backend needs {error.name}; run `pip install 'medsearch[export]'`"
            ) from error
        self.spec = spec
        transformer = Transformer(str(folder), max_seq_length=spec.max_tokens)
        pooling = Pooling(spec.dim, pooling_mode=spec.pooling.value)
        self._model = SentenceTransformer(modules=[transformer, pooling, Normalize()])

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        """Encode queries, each behind the spec's query prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.query_prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        """Encode documents or passages, each behind the spec's document prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.document_prompt + text for text in texts])

    def _encode(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.spec.dim), dtype=np.float32)
        vectors = self._model.encode(texts, show_progress_bar=False, convert_to_numpy=True)
        return np.ascontiguousarray(vectors, dtype=np.float32)
