"""What a retriever is evaluated under: all that two results must share, or show, to be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from medsearch.corpora.catalogue import CorpusLocation, fingerprint
from medsearch.corpora.passages import CUTTING
from medsearch.evaluation.evaluate import DEPTH
from medsearch.evaluation.fairness import STORED_VECTORS
from medsearch.index.token_store import STORED_TYPE
from medsearch.search.fusion import RRF_K
from medsearch.search.names import RetrieverName
from medsearch.search.reranking import RERANK_DEPTH
from medsearch.search.retrievers import FUSION_DEPTH
from medsearch.types import Collection, ModelKind, ModelSpec, PassageSettings, Qrels

BACKEND = "onnx"
DTYPE = "float32"
_RUNTIME = ("onnxruntime", "tokenizers")


def shared_conditions(
    location: CorpusLocation,
    collection: Collection,
    *,
    passages: PassageSettings | None,
    approximate: bool,
    ignore_identical_ids: bool,
) -> dict[str, Any]:
    """What all retrievers of a benchmark have in common, ready for JSON.

    `corpus_hash` is over the bytes of the documents' files, `queries_hash` over ids and texts of the judged
    queries, `qrels_hash` over the judgements.
    """
    return {
        "passages": "whole documents" if passages is None else asdict(passages),
        "search": "approximate" if approximate else "exact",
        "backend": BACKEND,
        "dtype": DTYPE,
        "engine": f"qdrant-edge-py {version('qdrant-edge-py')}",
        "corpus_hash": fingerprint(location),
        "queries_hash": queries_hash({query.query_id: query.text for query in collection.queries}),
        "qrels_hash": qrels_hash(collection.qrels),
        "depth": DEPTH,
        "ignore_identical_ids": ignore_identical_ids,
    }


def retriever_conditions(name: RetrieverName, registry: Mapping[str, ModelSpec]) -> dict[str, Any]:
    """Models as they are used, the query prompts that the registry declares for them, fusion and reranking.

    `software` is what else vectors may depend on: shown, and no reason to refuse a comparison. `rerank` is
    there only for a retriever that reranks, and `stored_vectors` for one of late interaction, whose index
    keeps less than the type that it encodes in; so kept results of others still hold.
    """
    dense = any(spec.kind is not ModelKind.SPARSE for spec in name.models)
    runtime = {package: version(package) for package in _RUNTIME} if dense else {}
    return {
        "models": {spec.name: {**asdict(spec), "parameters": dict(spec.parameters)} for spec in name.models},
        "declared_query_prompts": {
            spec.name: registry[spec.name].query_prompt if spec.name in registry else spec.query_prompt
            for spec in name.models
        },
        "fusion": {"method": "rrf", "k": RRF_K, "depth": FUSION_DEPTH} if _fuses(name) else None,
        **({"rerank": _rerank(name, name.first)} if name.first else {}),
        **({STORED_VECTORS: stored} if (stored := _stored(name)) else {}),
        "software": {"cutting": CUTTING, **runtime},
    }


def _fuses(name: RetrieverName) -> bool:
    return (name.first or name).hybrid


def _stored(name: RetrieverName) -> dict[str, str]:
    late = (spec.name for spec in name.models if spec.kind is ModelKind.LATE_INTERACTION)
    return {model: str(np.dtype(STORED_TYPE)) for model in late}


def _rerank(name: RetrieverName, first: RetrieverName) -> dict[str, Any]:
    late = name.models[0]
    pooling = late.parameters.get("token_pooling", 1.0)
    return {
        "method": "maxsim",
        "model": late.name,
        "first": first.name,
        "depth": RERANK_DEPTH,
        "token_pooling": pooling,
    }


def same_conditions(kept: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a kept result or card has all these conditions, as JSON gives them back.

    One of a medsearch that did not write down its software, or the type of its stored vectors, is taken to be
    of the same: to make it again for that alone would be a look at a test set.
    """
    wanted = json.loads(json.dumps(now))
    later = {field: wanted.get(field) for field in ("software", STORED_VECTORS)}
    known = {**later, **kept}
    return all(key in known and known[key] == value for key, value in wanted.items())


def queries_hash(queries: Mapping[str, str]) -> str:
    """SHA-256 over ids and texts of queries, whatever their order."""
    return _hash(sorted(queries.items()))


def qrels_hash(qrels: Qrels) -> str:
    """SHA-256 over judgements, whatever their order."""
    return _hash([(query_id, sorted(grades.items())) for query_id, grades in sorted(qrels.items())])


def _hash(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()
