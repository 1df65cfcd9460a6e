"""The last step of a build: one shard from the cut passages and all vectors, switched in when whole."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from medsearch.index.bm25 import Bm25Encoder, average_length
from medsearch.index.manifest import MANIFEST, Counts, Manifest, Plan, write_json
from medsearch.index.passage_file import read_passages
from medsearch.index.reader import open_index
from medsearch.index.vectors import VectorStore
from medsearch.index.writer import write_shard
from medsearch.protocols import Progress
from medsearch.types import ModelKind, Passage, Vectors


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

    def store(self, model: str) -> VectorStore:
        """The chunk files of one model's vectors."""
        return VectorStore(self.building / "vectors" / model)


def assemble(unfinished: Unfinished, counts: Counts, stamp: str, progress: Progress) -> Manifest:
    """Write the shard, then the manifest that names it; returns the manifest."""
    plan = unfinished.plan
    bm25 = _bm25(unfinished, progress, counts)
    content = _Digest()
    content.add_file(unfinished.passages_file)
    shard = f"shard-{uuid.uuid4().hex[:12]}"
    vectors = {
        name: (spec.dim, content.passing(name, _vectors(unfinished, name)))
        for name, spec in sorted(plan.models.items())
        if spec.kind is ModelKind.DENSE
    }
    with progress.stage("Writing the index", counts.passages) as advance:
        write_shard(
            unfinished.folder / shard,
            ((passage, unfinished.text(passage)) for passage in read_passages(unfinished.passages_file)),
            vectors,
            bm25,
            advance,
        )
    manifest = Manifest(
        plan=plan,
        counts=counts,
        shard=shard,
        average_length=bm25.average_length if bm25 else 0.0,
        content=content.hexdigest(),
        stamp=stamp,
        engine=f"qdrant-edge-py {version('qdrant-edge-py')}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_json(manifest, unfinished.folder / MANIFEST)
    return manifest


class _Digest:
    """SHA-256 over the passages and each model's vectors, taken while they pass by."""

    def __init__(self) -> None:
        self._parts = {"": sha256()}

    def add_file(self, file: Path) -> None:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                self._parts[""].update(block)

    def passing(self, name: str, chunks: Iterator[Vectors]) -> Iterator[Vectors]:
        part = self._parts[name] = sha256()
        for chunk in chunks:
            part.update(chunk.tobytes())
            yield chunk

    def hexdigest(self) -> str:
        whole = sha256()
        for name, part in sorted(self._parts.items()):
            whole.update(f"{name}={part.hexdigest()}\n".encode())
        return whole.hexdigest()


def _vectors(unfinished: Unfinished, model: str) -> Iterator[Vectors]:
    """From the index being extended where it has the model, else from the chunk files."""
    if unfinished.made is None or model not in unfinished.made.plan.models:
        yield from unfinished.store(model).read()
        return
    reader = open_index(unfinished.folder)
    try:
        yield from reader.vectors(model)
    finally:
        reader.close()


def _bm25(unfinished: Unfinished, progress: Progress, counts: Counts) -> Bm25Encoder | None:
    specs = [spec for spec in unfinished.plan.models.values() if spec.kind is ModelKind.SPARSE]
    if not specs:
        return None
    with progress.stage("Counting words", counts.passages) as advance:

        def texts() -> Iterator[str]:
            for passage in read_passages(unfinished.passages_file):
                yield unfinished.text(passage)
                advance(1)

        return Bm25Encoder(specs[0], average_length(texts(), specs[0]))
