"""Bytes a token vector and the error of a MaxSim score, for each type that Qdrant Edge can keep them in.

python -m benchmarks.multivector_storage

Vectors are random unit vectors of 128 dimensions, drawn by seed: the worst case for rounding, since none is
near another. Scores are compared with MaxSim computed in float32 by numpy.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    HnswIndexConfig,
    MultiVectorComparator,
    MultiVectorConfig,
    Point,
    Query,
    QueryRequest,
    SearchParams,
    UpdateOperation,
    VectorStorageDatatype,
)

from benchmarks.record import keep
from medsearch.types import Vectors

TYPES = ("Float32", "Float16", "Turbo8", "Uint8")
DOCUMENTS, DIM, QUERY_TOKENS, TOP = 2000, 128, 32, 100
_TOKENS = (3, 180)
_BLOCK = 64


def main() -> None:
    """Write the same documents in every type, and search them with one query."""
    chance = np.random.default_rng(0)
    documents = [_unit(chance, int(chance.integers(*_TOKENS))) for _ in range(DOCUMENTS)]
    query = _unit(chance, QUERY_TOKENS)
    wanted = np.array([(query @ document.T).max(axis=1).sum() for document in documents])
    tokens = sum(len(document) for document in documents)
    found = {}
    for name in TYPES:
        with TemporaryDirectory() as folder:
            scores, size = _measure(Path(folder), name, documents, query)
        best = set(np.argsort(-wanted)[:TOP].tolist())
        found[name] = {
            "bytes_a_vector": round(size / tokens, 1),
            "largest_score_error": float(f"{max(abs(s - wanted[i]) for i, s in scores.items()):.2g}"),
            f"recall@{TOP}": len(best & set(scores)) / TOP,
        }
    keep(
        "multivector_storage",
        {
            "what": f"{tokens:,} token vectors of {DIM} dimensions in {DOCUMENTS:,} documents, Qdrant Edge",
            "mean_score": round(float(wanted.mean()), 2),
            "types": found,
        },
    )


def _unit(chance: np.random.Generator, rows: int) -> Vectors:
    drawn = chance.normal(size=(rows, DIM)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def _measure(
    folder: Path, name: str, documents: list[Vectors], query: Vectors
) -> tuple[dict[int, float], int]:
    """The best `TOP` scores by document, and the bytes on disk."""
    params = EdgeVectorParams(
        size=DIM,
        distance=Distance.Dot,
        datatype=getattr(VectorStorageDatatype, name),
        multivector_config=MultiVectorConfig(MultiVectorComparator.MaxSim),
        hnsw_config=HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10),
    )
    config = EdgeConfig(
        vectors={"late": params},
        sparse_vectors={},
        optimizers=EdgeOptimizersConfig(default_segment_number=1),
        wal_enabled=False,
    )
    shard = EdgeShard.create(str(folder), config)
    for start in range(0, len(documents), _BLOCK):
        block = enumerate(documents[start : start + _BLOCK], start=start)
        points = [Point(id=n, vector={"late": rows.tolist()}, payload={}) for n, rows in block]
        shard.update(UpdateOperation.upsert_points(points))
    shard.flush()
    shard.optimize()
    shard.flush()
    request = QueryRequest(
        query=Query.Nearest(query.tolist(), using="late"), limit=TOP, params=SearchParams(exact=True)
    )
    scores = {int(str(hit.id)): float(hit.score) for hit in shard.query(request)}
    shard.close()
    size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
    return scores, size


if __name__ == "__main__":
    main()
