"""Reads a finished index; any number of processes may hold one open, also while a new one is built."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medsearch.adapter_source import missing_folder
from medsearch.errors import IndexRefusedError, ModelUnavailableError, UsageError
from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.manifest import Manifest, model_differences, read_manifest, rebuild_command
from medsearch.index.passage_file import passage_of
from medsearch.index.vectors import Encoded
from medsearch.types import Filter, ModelKind, ModelSpec, Passage, Vectors

if TYPE_CHECKING:
    from qdrant_edge import EdgeShard
    from qdrant_edge import Filter as EdgeFilter

HNSW_EF = 128
"""Candidates the graph search keeps: within 0.02 points of exact nDCG@10 on MedQuAD (docs/log.md)."""

_SCROLL = 256


class Point(NamedTuple):
    """A found passage by its number in the index; `score` is higher for better."""

    number: int
    doc_id: str
    score: float


@dataclass(frozen=True, slots=True)
class IndexReader:
    """An open index. Use `open_index` to get one."""

    folder: Path
    manifest: Manifest
    _shard: EdgeShard

    @property
    def whole_documents(self) -> bool:
        """Whether every document is one passage."""
        return self.manifest.counts.documents == self.manifest.counts.passages

    def search_dense(
        self, spec: ModelSpec, vector: Vectors, *, k: int, where: Filter | None = None, exact: bool = False
    ) -> list[Point]:
        """The `k` passages whose vectors of this model have the highest dot product with `vector` (dim,)."""
        self.check(spec)
        return self._query(vector.tolist(), spec.name, k, _edge_filter(where), exact=exact)

    def search_tokens(
        self,
        spec: ModelSpec,
        vectors: Vectors,
        *,
        k: int,
        where: Filter | None = None,
        among: Collection[int] | None = None,
    ) -> list[Point]:
        """The `k` passages with the highest MaxSim to a query's `vectors` (tokens, dim), always exactly.

        MaxSim is the sum, over the query's vectors, of the highest dot product with one of the passage's.
        `among` are numbers of passages, besides which none is looked at.

        Source: Khattab & Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
        Interaction over BERT", SIGIR 2020.
        """
        self.check(spec)
        if among is not None and not among:
            return []
        return self._query(vectors.tolist(), spec.name, k, _edge_filter(where, among), exact=True)

    def search_bm25(self, spec: ModelSpec, text: str, *, k: int, where: Filter | None = None) -> list[Point]:
        """The `k` passages with the highest BM25 score; fewer where fewer share a word with `text`."""
        self.check(spec)
        weights = Bm25Encoder(spec, self.manifest.average_length[spec.name]).query(text)
        return self._query(weights, spec.name, k, _edge_filter(where)) if weights.indices else []

    def passages(self, numbers: Sequence[int]) -> list[Passage]:
        """The passages of these points, in the order asked for."""
        records = self._shard.retrieve(list(numbers), with_payload=True, with_vector=False)
        found = {record.id: passage_of(record.payload or {}) for record in records}
        return [found[number] for number in numbers]

    def facet(self, key: str, *, limit: int = 50) -> list[tuple[str, int]]:
        """Values of a payload field with how many passages have each, most frequent first."""
        from qdrant_edge import FacetRequest

        hits = self._shard.facet(FacetRequest(key=key, limit=limit, exact=True)).hits
        return [(str(hit.value), hit.count) for hit in hits]

    def vectors(self, model: str) -> Iterator[Encoded]:
        """All vectors of one model in passage order, in chunks."""
        from qdrant_edge import ScrollRequest

        late = self.manifest.plan.models[model].kind is ModelKind.LATE_INTERACTION
        offset: Any = None
        while True:
            records, offset = self._shard.scroll(
                ScrollRequest(offset=offset, limit=_SCROLL, with_payload=False, with_vector=[model])
            )
            rows = [np.asarray(_named(record.vector, model), dtype=np.float32) for record in records]
            if rows:
                yield rows if late else np.stack(rows)
            if offset is None:
                return

    def close(self) -> None:
        """Let the engine's files go."""
        self._shard.close()

    def _query(
        self, query: Any, vector: str, k: int, where: EdgeFilter | None, *, exact: bool = False
    ) -> list[Point]:
        from qdrant_edge import Query, QueryRequest, SearchParams

        points = self._shard.query(
            QueryRequest(
                query=Query.Nearest(query, using=vector),
                limit=k,
                filter=where,
                params=SearchParams(hnsw_ef=max(HNSW_EF, k), exact=exact),
                with_payload=["doc_id"],
            )
        )
        return [Point(int(point.id), _doc_id(point.payload), float(point.score)) for point in points]

    def check(self, spec: ModelSpec) -> None:
        """Refuse a model that the index lacks, or whose spec has changed since it was made."""
        made = self.manifest.plan.models.get(spec.name)
        if made is None:
            raise UsageError(
                f"the index of {self.manifest.plan.corpus} has no vectors of {spec.name} "
                f"(it has {', '.join(sorted(self.manifest.plan.models))}): "
                f"add them with `medsearch index {self.manifest.plan.corpus} --models {spec.name}`"
            )
        if reason := missing_folder(spec.source):
            raise ModelUnavailableError(f"model {spec.name!r}: {reason}")
        differences = list(model_differences(made, spec))
        if differences:
            raise IndexRefusedError(
                f"{self.folder}: {'; '.join(differences)}; "
                f"make the index again with `{rebuild_command(self.manifest.plan)}`"
            )


def open_index(folder: Path) -> IndexReader:
    """Open the index in `folder` for reading.

    Raises:
        IndexRefusedError: if there is none, it is of another format, or its files are damaged.
    """
    from qdrant_edge import EdgeShard

    for _ in range(2):  # a rebuild may switch the shard between reading the manifest and loading it
        manifest = read_manifest(folder)
        try:
            return IndexReader(folder, manifest, EdgeShard.load(str(folder / manifest.shard)))
        except Exception as error:  # noqa: BLE001 - the engine raises bare Exception for any damaged file
            cause = " ".join(str(error).split())
    if (folder / manifest.shard).exists() and not os.access(folder / manifest.shard, os.W_OK):
        raise IndexRefusedError(
            f"{folder / manifest.shard} cannot be opened: the engine must be able to write there, even to "
            "search; give this user the right to, or copy the index and name the copy in MEDSEARCH_INDEX"
        )
    raise IndexRefusedError(
        f"{folder / manifest.shard} cannot be opened ({cause}): "
        f"make the index again with `{rebuild_command(manifest.plan)}`"
    )


def _doc_id(payload: Any) -> str:
    return str(payload["doc_id"])


def _named(vectors: Any, model: str) -> Sequence[float]:
    row: Sequence[float] = vectors[model]
    return row


def _edge_filter(where: Filter | None, among: Collection[int] | None = None) -> EdgeFilter | None:
    from qdrant_edge import FieldCondition, HasIdCondition, MatchAny, RangeFloat
    from qdrant_edge import Filter as EdgeFilter

    must: list[Any] = [] if among is None else [HasIdCondition(set(among))]
    where = where or Filter()
    if where.year_from is not None or where.year_to is not None:
        must.append(
            FieldCondition(key="metadata.year", range=RangeFloat(gte=where.year_from, lte=where.year_to))
        )
    for key, values in (
        ("metadata.kind", where.kinds),
        ("metadata.source", where.sources),
        ("top_section", tuple(value.lower() for value in where.sections)),
    ):
        if values:
            must.append(FieldCondition(key=key, match=MatchAny(any=list(values))))
    return EdgeFilter(must=must) if must else None
