"""What each model of a comparison is, as the index has recorded it."""

from __future__ import annotations

from collections.abc import Mapping

from medsearch.index.manifest import Manifest
from medsearch.search.fusion import RRF_K
from medsearch.search.names import BM25, HYBRID
from medsearch.search.reranking import RERANK_DEPTH
from medsearch.types import ModelKind, ModelSpec
from ui.labels import counted, reranking
from ui.markup import escaped

Rows = list[tuple[str, str]]


def facts_of(name: str, models: Mapping[str, ModelSpec]) -> list[tuple[str, Rows]]:
    """(heading, rows) for each model that the retriever called `name` uses, how they are joined last."""
    late, first = reranking(name)
    if first:
        return [_model(models[late]), *facts_of(first, models), ("How it is put in a new order", _RERANKED)]
    if not name.startswith(HYBRID):
        return [_model(models[name])]
    fusion = [("Method", "reciprocal rank fusion"), ("Constant k", str(RRF_K))]
    return [_model(models[name.removeprefix(HYBRID)]), _model(models[BM25]), ("How they are joined", fusion)]


def facts_html(name: str, models: Mapping[str, ModelSpec]) -> str:
    """The facts of one side as HTML lists."""
    return "".join(
        f'<section class="ms-model"><h3>{escaped(heading)}</h3><dl>'
        + "".join(f"<div><dt>{escaped(term)}</dt><dd>{escaped(said)}</dd></div>" for term, said in rows)
        + "</dl></section>"
        for heading, rows in facts_of(name, models)
    )


def fairness(manifest: Manifest) -> str:
    """Why the two sides can be compared: they read the very same passages."""
    plan, counts = manifest.plan, manifest.counts
    cut = (
        f"cut at {plan.passages.max_tokens} tokens with up to {plan.passages.overlap_tokens} repeated"
        if plan.passages.max_tokens
        else "one for each document"
    )
    return (
        f"Both sides search the same {counted(counts.passages, 'passage')} ({cut}) of "
        f"{counted(counts.documents, 'document')}, for the same question, without filters."
    )


def _model(spec: ModelSpec) -> tuple[str, Rows]:
    common: Rows = [("Revision", _short(spec.revision)), ("Licence", spec.licence)]
    if spec.kind is ModelKind.SPARSE:
        settings = [(_PARAMETERS.get(key, key), str(value)) for key, value in spec.parameters.items()]
        return f"Words: {spec.name}", [*settings, *common]
    if spec.kind is ModelKind.LATE_INTERACTION:
        return f"Word by word: {spec.name}", [
            ("Method", "late interaction"),
            *_prompts(spec),
            *_tokens(spec),
            *common,
        ]
    return f"Meaning: {spec.name}", [
        *_prompts(spec),
        ("Pooling", str(spec.pooling)),
        ("Reads at most", counted(spec.max_tokens, "token")),
        ("Dimensions", f"{spec.dim:,}"),
        *common,
    ]


def _prompts(spec: ModelSpec) -> Rows:
    return [
        ("Put before a question", f"“{spec.query_prompt.strip()}”" if spec.query_prompt else "nothing"),
        ("Put before a document", f"“{spec.document_prompt.strip()}”" if spec.document_prompt else "nothing"),
    ]


def _tokens(spec: ModelSpec) -> Rows:
    factor = float(spec.parameters.get("token_pooling", 1.0))
    kept = "one for each token" if factor == 1 else f"about one for {factor:g} tokens of a document"
    return [
        ("Vectors", kept),
        ("Reads at most", counted(spec.max_tokens, "token")),
        ("Dimensions of a vector", f"{spec.dim:,}"),
    ]


_RERANKED: Rows = [
    (
        "Method",
        "for each word of the question the nearness in meaning of the nearest word of the passage, "
        "added up (MaxSim)",
    ),
    ("Put in a new order", f"the best {RERANK_DEPTH} documents, each by the passage that was found"),
]
_PARAMETERS = {
    "k1": "k1 (repeated words)",
    "b": "b (long passages)",
    "language": "Language",
}


def _short(revision: str) -> str:
    """A pinned hash in its first twelve digits, which is how people quote it."""
    version, _, digest = revision.partition("sha256.")
    return f"{version}sha256.{digest[:12]}" if digest else revision[:12]
