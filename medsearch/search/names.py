"""What a retriever is called: a model of the registry, `bm25`, `hybrid:MODEL`, or `rerank:LATE:FIRST`.

`@no-prompt` may stand behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from medsearch.encoders.registry import find_model
from medsearch.errors import UsageError
from medsearch.types import ModelKind, ModelSpec

HYBRID = "hybrid:"
RERANK = "rerank:"
BM25 = "bm25"
WITHOUT_PROMPT = "@no-prompt"
"""Behind a name: its model is run without its query prompt, only to learn what the prompt is worth."""


@dataclass(frozen=True, slots=True)
class RetrieverName:
    """A retriever by name with the models it needs: one, or for a hybrid the dense one and BM25.

    One that reranks has `first`, whose ranking it reranks; its own model comes before those of `first`.
    """

    name: str
    models: tuple[ModelSpec, ...]
    first: RetrieverName | None = None

    @property
    def hybrid(self) -> bool:
        """Whether it is two rankings that are fused; one that reranks a hybrid is none."""
        return self.first is None and len(self.models) > 1

    @property
    def without_prompt(self) -> bool:
        """Whether the model is run without the query prompt that it declares."""
        return self.name.endswith(WITHOUT_PROMPT)


def parse_retriever(name: str, registry: Mapping[str, ModelSpec]) -> RetrieverName:
    """Read a retriever's name.

    Raises:
        UsageError: if it names no model of the registry, or a model that cannot be searched with.
    """
    if name.endswith(WITHOUT_PROMPT):
        return _without_prompt(name, parse_retriever(name.removesuffix(WITHOUT_PROMPT), registry))
    if name.startswith(HYBRID):
        dense = find_model(name.removeprefix(HYBRID), registry)
        if dense.kind is not ModelKind.DENSE:
            raise UsageError(f"{name}: hybrid needs a dense model, {dense.name} is {dense.kind}")
        return RetrieverName(name, (dense, find_model(BM25, registry)))
    if name.startswith(RERANK):
        return _reranking(name, registry)
    return RetrieverName(name, (find_model(name, registry),))


def _reranking(name: str, registry: Mapping[str, ModelSpec]) -> RetrieverName:
    model, _, reranked = name.removeprefix(RERANK).partition(":")
    late = find_model(model, registry)
    if late.kind is not ModelKind.LATE_INTERACTION:
        raise UsageError(
            f"{name}: rerank needs a late-interaction model, as rerank:LATE:FIRST, and {model} is {late.kind}"
        )
    if not reranked:
        raise UsageError(f"{name}: name also what is reranked, such as {RERANK}{model}:{BM25}")
    first = parse_retriever(reranked, registry)
    if any(spec.kind is ModelKind.LATE_INTERACTION for spec in first.models):
        raise UsageError(
            f"{name}: what is reranked must be a dense model, {BM25} or {HYBRID}MODEL, not {reranked}"
        )
    return RetrieverName(name, (late, *first.models), first)


def _without_prompt(name: str, asked: RetrieverName) -> RetrieverName:
    if not any(spec.query_prompt for spec in asked.models):
        raise UsageError(f"{name}: {asked.name} declares no query prompt, so there is none to leave out")
    bare = tuple(replace(spec, query_prompt="") for spec in asked.models)
    return RetrieverName(name, bare, asked.first and _bare_first(asked.first, bare[1:]))


def _bare_first(first: RetrieverName, bare: tuple[ModelSpec, ...]) -> RetrieverName:
    """What is reranked, by the name that it has where it declares a prompt too."""
    return first if bare == first.models else RetrieverName(f"{first.name}{WITHOUT_PROMPT}", bare)


def models_of(names: str, registry: Mapping[str, ModelSpec]) -> tuple[list[RetrieverName], list[ModelSpec]]:
    """The retrievers of a comma-separated list, each once, and the distinct models that they need."""
    parts = dict.fromkeys(part.strip() for part in names.split(",") if part.strip())
    retrievers = [parse_retriever(part, registry) for part in parts]
    if not retrievers:
        raise UsageError("name at least one retriever, such as minilm, bm25 or hybrid:minilm")
    models = {spec.name: spec for retriever in retrievers for spec in retriever.models}
    return retrievers, list(models.values())
