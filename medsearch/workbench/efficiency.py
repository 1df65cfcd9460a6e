"""What a retriever costs: documents a second, time of a query, bytes of its index, peak memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, read_queries
from medsearch.corpora.rejects import Rejects
from medsearch.errors import MedsearchError, UsageError
from medsearch.index.manifest import Manifest, replace_file
from medsearch.protocols import Progress
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import RetrieverName
from medsearch.search.reranking import RERANK_DEPTH
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, PassageSettings
from medsearch.workbench.efficiency_probe import Measured, ProbePart, ProbeRequest

QUERIES = 200
"""Queries that are timed, evenly spaced over those of the corpus, whatever their split."""

_FOLDER = "costs"
_VERSION = 1
"""Raised when what is measured changes, so that what was kept before is measured again."""

_QUIET = 0.1
_LIMIT_SECONDS = 1800
_BLOCK_BYTES = 512  # the unit of st_blocks (POSIX)


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of a retriever on one corpus and machine; `machine` and `measured` say where and when.

    `documents_per_second` is how fast texts become what is indexed, without writing it to the engine;
    `query_ms_p50` and `query_ms_p99` are from a query's text to ten passages; `index_bytes_per_document` are
    bytes allocated on disk, with the texts, which each index of a hybrid or a reranker has;
    `peak_memory_mib` is that of a process that did all of it with the model loaded. `others_share` is how
    much of the machine other processes took meanwhile (0 to 1): speed is only worth comparing where it is
    small.
    """

    documents_per_second: float
    query_ms_p50: float
    query_ms_p99: float
    index_bytes_per_document: float
    peak_memory_mib: float
    queries_timed: int
    others_share: float | None
    machine: str
    measured: str


@dataclass(frozen=True, slots=True)
class CostRequest:
    """What to measure. `passages` and `approximate` as in `BenchmarkRequest`; `again` measures anew."""

    location: CorpusLocation
    retriever: RetrieverName
    passages: PassageSettings | None = None
    approximate: bool = False
    again: bool = False


def measure_cost(
    request: CostRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> dict[str, Any]:
    """The cost of a retriever over its evaluation indexes, as a result carries it (the fields of `Cost`).

    What a quiet machine gave is kept beside the index, by all that it depends on and the machine, and not
    measured again.

    Raises:
        UsageError: if the corpus has no queries.
        MedsearchError: if the process that measures fails.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    parts, manifests = [], []
    for spec in request.retriever.models:
        wanted = IndexRequest(request.location, (spec,), request.passages or WHOLE_DOCUMENTS)
        folder, manifest = evaluation_index(wanted, settings, registry, progress)
        parts.append(ProbePart(folder, spec))
        manifests.append(manifest)
    queries = _queries(request.location)
    asked = ProbeRequest(
        request.location.name,
        tuple(parts),
        queries,
        settings.cache.absolute(),
        exact=not request.approximate,
        rerank=request.retriever.first is not None,
    )
    file = parts[0].folder / _FOLDER / f"{_key(asked, manifests)}.json"
    kept = None if request.again else _read(file)
    if kept is None:
        name = request.retriever.name
        progress.say(f"measuring speed and memory of {name} on {request.location.name}")
        kept = _cost(run_probe(asked, name), parts, manifests)
        if (others := kept["others_share"] or 0.0) > _QUIET:
            progress.say(
                f"warning: other work took {100 * others:.0f} % of the machine meanwhile, so that speed is "
                "understated: measure again when it is quiet"
            )
        else:
            file.parent.mkdir(exist_ok=True)
            replace_file(file, json.dumps(kept, indent=1).encode() + b"\n")
    return kept


def run_probe(request: ProbeRequest, name: str) -> Measured:
    """Measure in a new process.

    Raises:
        MedsearchError: if it fails, with the last thing that it said.
    """
    from pydantic import TypeAdapter, ValidationError

    failed = f"speed and memory of {name} on {request.corpus} cannot be measured"
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "medsearch.workbench.efficiency_probe"],
            input=TypeAdapter(ProbeRequest).dump_json(request),
            capture_output=True,
            check=False,
            timeout=_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise MedsearchError(f"{failed}: not done after {_LIMIT_SECONDS // 60} minutes") from None
    said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
    if finished.returncode:
        why = said[-1] if said else f"the process ended with {finished.returncode}"
        raise MedsearchError(f"{failed}: {why}")
    try:
        return TypeAdapter(Measured).validate_json((finished.stdout.splitlines() or [b""])[-1])
    except ValidationError:
        raise MedsearchError(f"{failed}: the process that measures printed something else") from None


def machine() -> str:
    """The processor, how many cores may be used, and the system; no name of a host."""
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}"


def allocated_bytes(folder: Path) -> int:
    """Bytes on disk of all files in a folder: the engine's files have holes, which take no room."""
    return sum(file.stat().st_blocks * _BLOCK_BYTES for file in folder.rglob("*") if file.is_file())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "unknown processor"


def _queries(location: CorpusLocation) -> tuple[str, ...]:
    texts = [query.text for query in read_queries(location, Rejects())]
    if not texts:
        raise UsageError(f"corpus {location.name} has no queries, so the time of a query cannot be measured")
    count = min(QUERIES, len(texts))
    return tuple(texts[number * len(texts) // count] for number in range(count))


def _key(request: ProbeRequest, manifests: Sequence[Manifest]) -> str:
    depends_on = (
        (_VERSION, RERANK_DEPTH) if request.rerank else _VERSION,
        [(part.spec.of_vectors, part.spec.query_prompt) for part in request.parts],
        [manifest.shard for manifest in manifests],
        request.queries,
        request.exact,
        machine(),
        [version(name) for name in ("onnxruntime", "qdrant-edge-py")],
    )
    return sha256(repr(depends_on).encode()).hexdigest()[:16]


def _cost(measured: Measured, parts: Sequence[ProbePart], manifests: Sequence[Manifest]) -> dict[str, Any]:
    from pydantic import TypeAdapter

    shards = [part.folder / manifest.shard for part, manifest in zip(parts, manifests, strict=True)]
    on_disk = sum(allocated_bytes(shard) for shard in shards) / manifests[0].counts.documents
    cost = Cost(
        documents_per_second=measured.documents_per_second,
        query_ms_p50=measured.query_ms_p50,
        query_ms_p99=measured.query_ms_p99,
        index_bytes_per_document=round(on_disk, 1),
        peak_memory_mib=measured.peak_memory_mib,
        queries_timed=measured.queries_timed,
        others_share=measured.others_share,
        machine=machine(),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    found: dict[str, Any] = TypeAdapter(Cost).dump_python(cost)
    return found


def _read(file: Path) -> dict[str, Any] | None:
    """What was measured before; `None` where nothing was, or the file is damaged."""
    from pydantic import TypeAdapter, ValidationError

    try:
        found: dict[str, Any] = TypeAdapter(Cost).dump_python(
            TypeAdapter(Cost).validate_json(file.read_bytes())
        )
    except (OSError, ValidationError):
        return None
    return found
