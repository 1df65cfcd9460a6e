"""Writes passages and their vectors into a Qdrant Edge shard that is read-only once finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.vectors import Encoded
from medsearch.types import ModelKind, ModelSpec, Passage

if TYPE_CHECKING:
    from qdrant_edge import EdgeConfig, EdgeShard, EdgeVectorParams, Point, SparseVector

_BATCH = 512
_TOKEN_BATCH = 64
"""Passages handed to the engine at once where each has vectors by the hundred, which are lists of numbers."""

Row = list[float] | list[list[float]]
"""One vector, or one a token."""


def write_shard(
    folder: Path,
    passages: Iterable[tuple[Passage, str]],
    vectors: Mapping[str, tuple[ModelSpec, Iterable[Encoded]]],
    bm25: Mapping[str, Bm25Encoder],
    advance: Callable[[int], None],
) -> int:
    """Write one shard: for passage i, row i of each model's vectors, its BM25 weights and its payload.

    A passage comes with the text that BM25 reads for it. `vectors` maps a model's name to its spec and its
    vectors in chunks, `bm25` a BM25 model's name to its weights. The shard has no write-ahead log, so
    that many processes can open it at once; it is complete and durable when this returns.

    Returns:
        The number of passages that the engine holds.

    Raises:
        ValueError: if a model has more or fewer vectors than there are passages.
    """
    from qdrant_edge import CountRequest, EdgeShard, UpdateOperation

    folder.mkdir(parents=True)
    with ExitStack() as stack:
        specs = [spec for spec, _ in vectors.values()]
        config = _config(specs, bm25)
        shard = EdgeShard.create(str(folder), config)
        stack.callback(shard.close)
        points = _points(passages, {name: _rows(chunks) for name, (_, chunks) in vectors.items()}, bm25)
        late = any(spec.kind is ModelKind.LATE_INTERACTION for spec in specs)
        while batch := list(islice(points, _TOKEN_BATCH if late else _BATCH)):
            shard.update(UpdateOperation.upsert_points(batch))
            advance(len(batch))
        _index_payload(shard)
        shard.flush()
        shard.optimize()
        shard.flush()
        return int(shard.count(CountRequest(exact=True)))


def _config(specs: Iterable[ModelSpec], bm25: Iterable[str]) -> EdgeConfig:
    from qdrant_edge import EdgeConfig, EdgeOptimizersConfig, EdgeSparseVectorParams, Modifier

    return EdgeConfig(
        vectors={spec.name: _vector_params(spec) for spec in specs},
        sparse_vectors={name: EdgeSparseVectorParams(modifier=Modifier.Idf) for name in bm25},
        # One segment: every reader then searches one graph, and a shard read by many is never merged later.
        optimizers=EdgeOptimizersConfig(default_segment_number=1),
        wal_enabled=False,
    )


def _vector_params(spec: ModelSpec) -> EdgeVectorParams:
    """Token vectors are kept in half precision and without a graph: they are always compared exactly.

    Measured with 181,489 vectors of 128: 257 bytes each and a score off by at most 0.0004 of about 7, where
    float32 takes 513 bytes, and the engine's 8-bit form 133 with scores off by 0.01
    (`benchmarks/multivector_storage.py`).
    """
    from qdrant_edge import (
        Distance,
        EdgeVectorParams,
        HnswIndexConfig,
        MultiVectorComparator,
        MultiVectorConfig,
        VectorStorageDatatype,
    )

    if spec.kind is ModelKind.DENSE:
        return EdgeVectorParams(size=spec.dim, distance=Distance.Dot)
    return EdgeVectorParams(
        size=spec.dim,
        distance=Distance.Dot,
        multivector_config=MultiVectorConfig(MultiVectorComparator.MaxSim),
        datatype=VectorStorageDatatype.Float16,
        hnsw_config=HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10),
    )


def _points(
    passages: Iterable[tuple[Passage, str]],
    rows: Mapping[str, Iterator[Row]],
    bm25: Mapping[str, Bm25Encoder],
) -> Iterator[Point]:
    from qdrant_edge import Point

    for number, ((passage, text), *dense) in enumerate(zip(passages, *rows.values(), strict=True)):
        vector: dict[str, list[float] | SparseVector | list[list[float]]] = dict(
            zip(rows, dense, strict=True)
        )
        vector |= {name: encoder.document(text) for name, encoder in bm25.items()}
        yield Point(id=number, vector=vector, payload=payload_of(passage))


def payload_of(passage: Passage) -> dict[str, object]:
    """What is stored beside the vectors: all of the passage, and its section's top heading for filters."""
    return {
        "doc_id": passage.doc_id,
        "number": passage.number,
        "title": passage.title,
        "text": passage.text,
        "section": passage.section,
        "top_section": top_section(passage.section),
        "start": passage.start,
        "end": passage.end,
        "metadata": {
            key: list(value) if isinstance(value, tuple) else value for key, value in passage.metadata.items()
        },
    }


def top_section(section: str) -> str:
    """The outermost heading in lower case: "Methods > Patients" is found under "methods"."""
    return section.split(" > ")[0].strip().lower()


def _index_payload(shard: EdgeShard) -> None:
    from qdrant_edge import PayloadSchemaType, UpdateOperation

    shard.update(UpdateOperation.create_field_index("metadata.year", PayloadSchemaType.Integer))
    for key in ("doc_id", "metadata.kind", "metadata.source", "top_section"):
        shard.update(UpdateOperation.create_field_index(key, PayloadSchemaType.Keyword))


def _rows(chunks: Iterable[Encoded]) -> Iterator[Row]:
    for chunk in chunks:
        if isinstance(chunk, list):
            yield from (rows.tolist() for rows in chunk)
        else:
            yield from chunk.tolist()
