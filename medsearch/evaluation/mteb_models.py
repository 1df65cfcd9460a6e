"""Our encoders and retrievers as mteb models, and what mteb's metadata says of them.

Importing this imports mteb, which takes seconds: do it in the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.similarity_functions import dot_score, pairwise_dot_score
from mteb.types import PromptType
from mteb.types._metadata import Licenses

from medsearch.errors import MedsearchError
from medsearch.evaluation.mteb_names import experiment, model_name, model_revision, on_hub
from medsearch.evaluation.mteb_tasks import documents_of
from medsearch.protocols import Encoder, Retriever
from medsearch.types import Document, ModelKind, ModelSpec, Query, Run

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import Array


class MtebEncoder:
    """A dense encoder as mteb's `EncoderProtocol`; mteb compares its vectors by their dot product.

    Queries get the spec's query prompt and all else its document prompt; mteb's own prompts are not used.
    """

    def __init__(self, encoder: Encoder, meta: ModelMeta) -> None:
        self._encoder = encoder
        self.mteb_model_meta = meta

    def encode(self, inputs: Any, *, prompt_type: PromptType | None = None, **_: Any) -> Array:
        """The vectors of a data loader's texts, shape (texts, dim)."""
        texts = [text for batch in inputs for text in batch["text"]]
        if prompt_type is PromptType.query:
            return self._encoder.encode_queries(texts)
        return self._encoder.encode_documents(texts)

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Dot products of all with all: of normalised vectors, the cosine."""
        return dot_score(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Dot products of each with its fellow."""
        return pairwise_dot_score(embeddings1, embeddings2)


class MtebRetriever:
    """A retriever as mteb's `SearchProtocol`, for any of its retrieval tasks: BM25, hybrid, reranking, dense.

    `open_retriever` makes the retriever of a task, by its name and documents.
    """

    def __init__(
        self, open_retriever: Callable[[str, Sequence[Document]], Retriever], meta: ModelMeta
    ) -> None:
        self._open = open_retriever
        self._retriever: Retriever | None = None
        self.mteb_model_meta = meta

    def index(self, corpus: Any, *, task_metadata: TaskMetadata, **_: Any) -> None:
        """Open the retriever of this corpus."""
        self._retriever = self._open(task_metadata.name, documents_of(corpus))

    def search(
        self, queries: Any, *, top_k: int, top_ranked: Any = None, **_: Any
    ) -> dict[str, dict[str, float]]:
        """query_id -> doc_id -> score of the best `top_k` documents.

        Raises:
            MedsearchError: if mteb gives queries candidates or instructions, or no corpus before.
        """
        name = self.mteb_model_meta.name
        if top_ranked is not None:
            raise MedsearchError(f"{name} ranks whole corpora: reranking tasks of mteb need one dense model")
        texts = queries["text"]
        if "instruction" in queries.column_names or not all(isinstance(text, str) for text in texts):
            raise MedsearchError(f"{name}: queries with instructions or of several turns cannot be asked")
        if self._retriever is None:
            raise MedsearchError(f"{name}: a corpus has to be indexed before it is searched")
        asked = [Query(str(row["id"]), row["text"]) for row in queries]
        found = self._retriever.retrieve(asked, k=top_k)
        return {query.query_id: dict(found.get(query.query_id, {})) for query in asked}


class Replay:
    """A run made before as mteb's `SearchProtocol`, so that mteb scores it without a second search."""

    def __init__(self, run: Run, meta: ModelMeta) -> None:
        self._run = run
        self.mteb_model_meta = meta

    def index(self, *_: Any, **__: Any) -> None:
        """Nothing to do: the documents were searched already."""

    def search(self, queries: Any, **_: Any) -> dict[str, dict[str, float]]:
        """What the run has for these queries; nothing for one that it lacks."""
        return {
            query_id: {doc_id: float(score) for doc_id, score in self._run.get(query_id, {}).items()}
            for query_id in queries["id"]
        }


def model_meta(
    retriever: str, specs: Sequence[ModelSpec], settings: Mapping[str, Any] | None = None
) -> ModelMeta:
    """What mteb is told of a retriever; `settings` are those of a result record.

    A hub model goes by its hub name, with what mteb knows of it; any other as "medsearch/NAME". What makes a
    run another than the model's own (no prompt, passages, the graph) becomes mteb's `experiment_kwargs`, so
    that it is never taken for the model's own result. See `mteb_names` for entries of one's own.
    """
    name, said_of_run = model_name(retriever, specs), settings or {}
    spec = specs[0]
    dense = spec.kind is not ModelKind.SPARSE
    known = MODEL_REGISTRY.get(name) or ModelMeta.create_empty()
    said = {
        "loader": None,
        "loader_kwargs": {},
        "name": name,
        "revision": model_revision(specs, said_of_run),
        "max_tokens": float(spec.max_tokens) if dense else None,
        "embed_dim": spec.dim if dense else None,
        "license": spec.licence if spec.licence in get_args(Licenses) else known.license,
        "open_weights": True,
        "framework": known.framework or (["ONNX"] if dense else []),
        "reference": known.reference or (f"https://huggingface.co/{name}" if on_hub(specs) else None),
        "similarity_fn_name": _similarity(spec) if dense and len(specs) == 1 else None,
        "use_instructions": bool(spec.query_prompt or spec.document_prompt),
        "model_type": ["hybrid"] if len(specs) > 1 else [spec.kind.replace("_", "-")],
        "experiment_kwargs": experiment(specs, said_of_run) or None,
    }
    return ModelMeta.model_validate({**known.model_dump(), **said})


def _similarity(spec: ModelSpec) -> ScoringFunction:
    late = spec.kind is ModelKind.LATE_INTERACTION
    return ScoringFunction.MAX_SIM if late else ScoringFunction.COSINE
