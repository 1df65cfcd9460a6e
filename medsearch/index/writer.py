"""Writes passages and their vectors into a Qdrant Edge shard that is read-only once finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medsearch.index.bm25 import Bm25Encoder
from medsearch.types import Passage, Vectors

if TYPE_CHECKING:
    from qdrant_edge import EdgeConfig, EdgeShard, Point, SparseVector

BM25_VECTOR = "bm25"
_BATCH = 512


def write_shard(
    folder: Path,
    passages: Iterable[tuple[Passage, str]],
    vectors: Mapping[str, tuple[int, Iterable[Vectors]]],
    bm25: Bm25Encoder | None,
    advance: Callable[[int], None],
) -> None:
    """Write one shard: for passage i, row i of each model's vectors, its BM25 weights and its payload.

    A passage comes with the text that BM25 reads for it. `vectors` maps a model's name to its dimension and
    its vectors in chunks. The shard has no write-ahead log, so that many processes can open it at once; it
    is complete and durable when this returns.
    """
    from qdrant_edge import EdgeShard, UpdateOperation

    folder.mkdir(parents=True)
    with ExitStack() as stack:
        shard = EdgeShard.create(
            str(folder), _config({name: dim for name, (dim, _) in vectors.items()}, bm25)
        )
        stack.callback(shard.close)
        rows = {name: _rows(chunks) for name, (_, chunks) in vectors.items()}
        points = (
            _point(
                number,
                passage,
                {name: next(row) for name, row in rows.items()},
                bm25.document(text) if bm25 else None,
            )
            for number, (passage, text) in enumerate(passages)
        )
        while batch := list(islice(points, _BATCH)):
            shard.update(UpdateOperation.upsert_points(batch))
            advance(len(batch))
        _index_payload(shard)
        shard.flush()
        shard.optimize()
        shard.flush()


def _config(dims: Mapping[str, int], bm25: Bm25Encoder | None) -> EdgeConfig:
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeSparseVectorParams,
        EdgeVectorParams,
        Modifier,
    )

    return EdgeConfig(
        vectors={name: EdgeVectorParams(size=dim, distance=Distance.Dot) for name, dim in dims.items()},
        sparse_vectors={BM25_VECTOR: EdgeSparseVectorParams(modifier=Modifier.Idf)} if bm25 else None,
        # One segment: every reader then searches one graph, and a shard read by many is never merged later.
        optimizers=EdgeOptimizersConfig(default_segment_number=1),
        wal_enabled=False,
    )


def _point(
    number: int, passage: Passage, rows: Mapping[str, list[float]], weights: SparseVector | None
) -> Point:
    from qdrant_edge import Point

    vector: dict[str, list[float] | SparseVector | list[list[float]]] = dict(rows)
    if weights is not None:
        vector[BM25_VECTOR] = weights
    return Point(id=number, vector=vector, payload=payload_of(passage))


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


def _rows(chunks: Iterable[Vectors]) -> Iterator[list[float]]:
    for chunk in chunks:
        yield from chunk.tolist()
