"""The reference late-interaction encoder: sentence-transformers' own, as the folder says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.token_folder import check_format, pooling_factor
from medsearch.encoders.token_pooling import check_pooling, pool_tokens
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec, Vectors


class TransformerTokenEncoder:
    """Encodes with torch, in float32, on a GPU where there is one.

    Raises:
        ModelUnavailableError: The weights are missing or not the pinned ones, or torch is not installed.
        UsageError: The entry's `token_pooling` is no number from 1 on.
    """

    def __init__(self, spec: ModelSpec, *, cache: Path) -> None:
        self.spec = spec
        check_format(spec)
        self._factor = pooling_factor(spec)
        folder = ready_weights(spec, cache=cache)
        try:
            from sentence_transformers import MultiVectorEncoder
        except ModuleNotFoundError as error:
            raise ModelUnavailableError(
                f"the transformer backend needs {error.name}; run `pip install 'medsearch[export]'`"
            ) from error
        self._model = MultiVectorEncoder(str(folder), local_files_only=True)
        transformer: Any = self._model[0]
        transformer.document_length = spec.max_tokens

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode queries, each behind the spec's query prompt; each (tokens, dim), expansion included."""
        return _float32(
            self._model.encode_query(
                list(texts), prompt=self.spec.query_prompt, convert_to_numpy=True, show_progress_bar=False
            )
        )

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode documents or passages, each behind the document prompt; each (tokens, dim), pooled.

        Raises:
            ModelUnavailableError: The entry asks for token pooling, and scipy is not installed.
        """
        check_pooling(self.spec.name, self._factor)
        found = _float32(
            self._model.encode_document(
                list(texts), prompt=self.spec.document_prompt, convert_to_numpy=True, show_progress_bar=False
            )
        )
        return [pool_tokens(vectors, self._factor) for vectors in found] if self._factor > 1 else found


def _float32(found: Iterable[Vectors]) -> list[Vectors]:
    return [np.ascontiguousarray(vectors, dtype=np.float32) for vectors in found]
