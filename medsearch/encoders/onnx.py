"""The serving encoder: ONNX Runtime through fastembed; torch is never imported."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from medsearch.encoders.onnx_cache import ready_export
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec, Pooling, Vectors

_BATCH = 16
EXPORT = "model.onnx"


class FolderEncoder:
    """Runs `file` in `folder`, an ONNX model with its tokenizer beside it, in what numbers the file has.

    Raises:
        ModelUnavailableError: The file cannot be read.
    """

    def __init__(
        self, spec: ModelSpec, folder: Path, *, file: str = EXPORT, threads: int | None = None
    ) -> None:
        from fastembed import TextEmbedding

        self.spec, self.folder = spec, folder
        try:
            self._model = TextEmbedding(
                _register(spec, file),
                threads=threads,
                specific_model_path=str(folder),
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
            reason = str(error).strip().splitlines()[0]
            raise ModelUnavailableError(
                f"model {spec.name!r}: its export cannot be read ({reason}); delete the folder {folder}"
            ) from error

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        """Encode queries, each behind the spec's query prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.query_prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        """Encode documents or passages, each behind the spec's document prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.document_prompt + text for text in texts])

    def _encode(self, texts: list[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.spec.dim), dtype=np.float32)
        # Longest first: texts of one length share a batch, which is padded to its longest.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        encoded = self._model.embed([texts[i] for i in order], batch_size=_BATCH)
        for i, vector in zip(order, encoded, strict=True):
            vectors[i] = vector
        return vectors


class OnnxEncoder(FolderEncoder):
    """Encodes in float32 on the CPU, cutting each text at the spec's `max_tokens`.

    The first load of a model exports it (see `ready_export`); later loads only read the cache.

    Raises:
        ModelUnavailableError: There is no export in the cache and none can be made, or it cannot be read.
    """

    def __init__(self, spec: ModelSpec, *, cache: Path, threads: int | None = None) -> None:
        super().__init__(spec, ready_export(spec, cache=cache), threads=threads)


def _register(spec: ModelSpec, file: str) -> str:
    """Tell fastembed of such models, under a name that says all that fastembed keeps of them; return it."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = f"medsearch/{file}-{spec.pooling}-{spec.dim}"
    with suppress(ValueError):  # the name is taken, by a model of the same kind that was loaded before
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType.CLS if spec.pooling is Pooling.CLS else PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(url="file:///"),  # required, and unused: the folder is given on loading
            dim=spec.dim,
            model_file=file,
        )
    return name
