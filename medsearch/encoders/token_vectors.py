"""Late-interaction encoders: one vector a token, by ONNX Runtime when serving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsearch.encoders.registry import Backend
from medsearch.encoders.token_cache import ready_token_export
from medsearch.encoders.token_folder import check_format, pooling_factor
from medsearch.encoders.token_graph import TokenGraph
from medsearch.encoders.token_pooling import check_pooling, pool_tokens
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.protocols import TokenEncoder
from medsearch.types import ModelKind, ModelSpec, Vectors


class OnnxTokenEncoder:
    """Encodes in float32 on the CPU; torch is never imported, but by the process that exports, once.

    Raises:
        ModelUnavailableError: There is no export in the cache and none can be made, or it cannot be read.
        UsageError: The entry's `token_pooling` is no number from 1 on.
    """

    def __init__(self, spec: ModelSpec, *, cache: Path, threads: int | None = None) -> None:
        self.spec = spec
        check_format(spec)
        self._factor = pooling_factor(spec)
        self.folder = ready_token_export(spec, cache=cache)
        try:
            self._graph = TokenGraph(self.folder, threads=threads)
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
            reason = str(error).strip().splitlines()[0]
            raise ModelUnavailableError(
                f"model {spec.name!r}: its export cannot be read ({reason}); delete the folder {self.folder}"
            ) from error

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode queries, each behind the spec's query prompt; each (tokens, dim), expansion included."""
        return self._graph.queries([self.spec.query_prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """Encode documents or passages, each behind the document prompt; each (tokens, dim), pooled.

        Raises:
            ModelUnavailableError: The entry asks for token pooling, and scipy is not installed.
        """
        check_pooling(self.spec.name, self._factor)
        found = self._graph.documents([self.spec.document_prompt + text for text in texts])
        return [pool_tokens(vectors, self._factor) for vectors in found] if self._factor > 1 else found


def load_token_encoder(spec: ModelSpec, *, cache: Path, backend: Backend = Backend.ONNX) -> TokenEncoder:
    """Load a late-interaction model; with ONNX the first load exports it into `cache`.

    Raises:
        ModelUnavailableError: Its weights, or what is needed to run them, are not on this machine.
        UsageError: It is a model of another kind.
    """
    if spec.kind is not ModelKind.LATE_INTERACTION:
        raise UsageError(f"model {spec.name!r} is {spec.kind}: it does not give one vector a token")
    match backend:
        case Backend.ONNX:
            return OnnxTokenEncoder(spec, cache=cache)
        case Backend.TRANSFORMER:
            from medsearch.encoders.token_transformer import TransformerTokenEncoder

            return TransformerTokenEncoder(spec, cache=cache)
