"""The last step of a build: one shard from the cut passages and all vectors, switched in when whole."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from shutil import disk_usage
from typing import Any

from medsearch.errors import IndexRefusedError
from medsearch.index.bm25 import Bm25Encoder, average_length
from medsearch.index.manifest import MANIFEST, Counts, Manifest, Plan, write_json
from medsearch.index.passage_file import digest_of, read_counts, read_passages
from medsearch.index.reader import open_index
from medsearch.index.token_store import TokenStore
from medsearch.index.vectors import ChunkStore, Encoded, VectorStore
from medsearch.index.writer import write_shard
from medsearch.protocols import Progress
from medsearch.types import ModelKind, ModelSpec, Passage

_FIXED_BYTES = 64_000_000
_BYTES_A_NUMBER = 10
"""Four in the chunk files and four in the engine, the rest for its graph."""

_BYTES_A_TOKEN_NUMBER = 6
"""Two in the chunk files and two in the engine, which writes them twice while it puts segments together."""

_TEXT_BYTES_A_TOKEN = 3
"""Fewer than any language's average, so that tokens are not underestimated."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the documents came from, and a cheap mark of their files."""

    path: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A build in progress: where it keeps its parts, and the finished index that it extends (`made`)."""

    folder: Path
    plan: Plan
    made: Manifest | None
    text: Callable[[Passage], str]

    @property
    def building(self) -> Path:
        """The folder of the parts."""
        return self.folder / "building"

    @property
    def passages_file(self) -> Path:
        """All passages; complete once it is there."""
        return self.building / "passages.jsonl"

    @property
    def counts_file(self) -> Path:
        """What was counted while the passages were cut."""
        return self.building / "counts.json"

    def counts(self) -> Counts | None:
        """The counts of finished cutting; `None` where the passages are not there, or not whole."""
        return read_counts(self.passages_file, self.counts_file)

    def store(self, model: str) -> ChunkStore:
        """The chunk files of one model's vectors."""
        folder = self.building / "vectors" / model
        late = self.plan.models[model].kind is ModelKind.LATE_INTERACTION
        return TokenStore(folder) if late else VectorStore(folder)


def assemble(unfinished: Unfinished, counts: Counts, source: Source, progress: Progress) -> Manifest:
    """Write the shard, then the manifest that names it; returns the manifest.

    Raises:
        IndexRefusedError: if a part is missing, or the disk is too full to write all of it.
    """
    plan = unfinished.plan
    check_room(unfinished, counts)
    bm25 = _bm25(unfinished, progress, counts)
    content = _Digest()
    shard = f"shard-{uuid.uuid4().hex[:12]}"
    vectors = {
        name: (spec, content.passing(name, _vectors(unfinished, name, counts)))
        for name, spec in sorted(plan.models.items())
        if spec.kind is not ModelKind.SPARSE
    }
    passages = ((passage, unfinished.text(passage)) for passage in read_passages(unfinished.passages_file))
    with progress.stage("Writing the index", counts.passages) as advance:
        written = write_shard(unfinished.folder / shard, passages, vectors, bm25, advance)
    if written != counts.passages:
        raise IndexRefusedError(
            f"{unfinished.folder / shard} holds {written:,} passages of {counts.passages:,} written: "
            "the engine lost some, so it is not used; run this again"
        )
    digest = digest_of(unfinished.passages_file)
    manifest = Manifest(
        plan=plan,
        counts=counts,
        shard=shard,
        average_length={name: encoder.average_length for name, encoder in bm25.items()},
        passages=digest,
        content=content.hexdigest(digest),
        path=source.path,
        stamp=source.stamp,
        engine=f"qdrant-edge-py {version('qdrant-edge-py')}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_json(manifest, unfinished.folder / MANIFEST)
    return manifest


def check_room(unfinished: Unfinished, counts: Counts) -> None:
    """The engine maps files and dies without a word when the disk is full, so room is looked for first.

    Raises:
        IndexRefusedError: saying how much is free and how much is needed.
    """
    text = unfinished.passages_file.stat().st_size
    vectors = sum(_bytes_of(spec, counts, text) for spec in unfinished.plan.models.values())
    needed = _FIXED_BYTES + 4 * text + vectors
    free = disk_usage(unfinished.folder).free
    if free < needed:
        raise IndexRefusedError(
            f"{unfinished.folder} has {free / 1e6:,.0f} MB free and about {needed / 1e6:,.0f} MB are needed: "
            "make room, or name another folder in MEDSEARCH_INDEX, then run this again"
        )


def _bytes_of(spec: ModelSpec, counts: Counts, text: int) -> float:
    """About how many bytes a model's vectors take while they are written; `text` is in bytes."""
    match spec.kind:
        case ModelKind.DENSE:
            return counts.passages * spec.dim * _BYTES_A_NUMBER
        case ModelKind.LATE_INTERACTION:
            tokens = min(counts.passages * spec.max_tokens, text // _TEXT_BYTES_A_TOKEN)
            return tokens * spec.dim * _BYTES_A_TOKEN_NUMBER / float(spec.parameters.get("token_pooling", 1))
        case ModelKind.SPARSE:
            return 0.0


class _Digest:
    """SHA-256 over the passages and each model's vectors, taken while they pass by."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def passing(self, name: str, chunks: Iterator[Encoded]) -> Iterator[Encoded]:
        part = self._parts[name] = sha256()
        for chunk in chunks:
            if isinstance(chunk, list):
                for rows in chunk:
                    part.update(len(rows).to_bytes(4, "big") + rows.tobytes())
            else:
                part.update(chunk.tobytes())
            yield chunk

    def hexdigest(self, passages: str) -> str:
        whole = sha256(f"passages={passages}\n".encode())
        for name, part in sorted(self._parts.items()):
            whole.update(f"{name}={part.hexdigest()}\n".encode())
        return whole.hexdigest()


def _vectors(unfinished: Unfinished, model: str, counts: Counts) -> Iterator[Encoded]:
    """From the index being extended where it has the model, else from the chunk files."""
    if unfinished.made is None or model not in unfinished.made.plan.models:
        yield from unfinished.store(model).read(counts.passages)
        return
    reader = open_index(unfinished.folder)
    try:
        yield from reader.vectors(model)
    finally:
        reader.close()


def _bm25(unfinished: Unfinished, progress: Progress, counts: Counts) -> dict[str, Bm25Encoder]:
    encoders = {}
    for name, spec in unfinished.plan.models.items():
        if spec.kind is not ModelKind.SPARSE:
            continue
        with progress.stage(f"Counting words for {name}", counts.passages) as advance:
            encoders[name] = Bm25Encoder(spec, average_length(_texts(unfinished, advance), spec))
    return encoders


def _texts(unfinished: Unfinished, advance: Callable[[int], None]) -> Iterator[str]:
    for passage in read_passages(unfinished.passages_file):
        yield unfinished.text(passage)
        advance(1)
