"""Measures one retriever's speed and memory in a process of its own, started by `efficiency.py`.

    python -m medsearch.workbench.efficiency_probe < request.json > measured.json

A process of its own, because peak memory is only ever that of a whole process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from medsearch.corpora.passages import passage_text
from medsearch.encoders.registry import load_encoder
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.errors import MedsearchError
from medsearch.index.bm25 import Bm25Encoder, average_length
from medsearch.index.reader import IndexReader, open_index
from medsearch.search.names import RetrieverName
from medsearch.search.reranking import assemble
from medsearch.search.retrievers import PointRetriever, search_passages
from medsearch.search.searcher import Searcher
from medsearch.types import ModelKind, ModelSpec

K = 10
"""Hits a query, as a page of results has."""

_DENSE_TEXTS, _BM25_TEXTS = 64, 1000
_WARM_TEXTS, _WARM_QUERIES = 8, 5
_SLOW_SECONDS = 4.0
"""A model that takes this long for the first few texts is measured on these alone."""

_QUERY_SECONDS = 20.0
_FEWEST_QUERIES = 20


@dataclass(frozen=True, slots=True)
class ProbePart:
    """One model and the evaluation index that has its vectors."""

    folder: Path
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to measure: one part, or for a hybrid two; `queries` are searched for one at a time.

    With `rerank` the first part reranks what the others find.
    """

    corpus: str
    parts: tuple[ProbePart, ...]
    queries: tuple[str, ...]
    cache: Path
    exact: bool
    rerank: bool = False

    @property
    def name(self) -> RetrieverName:
        """The retriever that the parts make."""
        models = tuple(part.spec for part in self.parts)
        return RetrieverName("", models, RetrieverName("", models[1:]) if self.rerank else None)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a probe found, in the units that the names say.

    `others_share` is the part of the machine's processor time that other processes took meanwhile, 0 to 1;
    `None` where the system does not tell.
    """

    documents_per_second: float
    query_ms_p50: float
    query_ms_p99: float
    queries_timed: int
    peak_memory_mib: float
    others_share: float | None


def probe(request: ProbeRequest) -> Measured:
    """Measure speed, then the memory that all of it took.

    Documents a second are those of the index turned into what is indexed: vectors of a dense model, and of
    BM25 the counts and weights of words; of a hybrid both, and with a reranker its token vectors too. Writing
    them to the engine is not in it. A query's time is from its text to ten passages ready to be shown, the
    models' work included.
    """
    before = _ticks()
    retrievers: dict[str, PointRetriever] = {}
    seconds_a_document = 0.0
    for part in request.parts:
        reader = open_index(part.folder)
        searcher = Searcher(request.corpus, reader, {part.spec.name: part.spec}, request.cache)
        retrievers[part.spec.name] = searcher.retriever(
            RetrieverName(part.spec.name, (part.spec,)), exact=request.exact
        )
        seconds_a_document += _seconds_a_document(reader, part.spec, request.cache)
    retriever = assemble(request.name, lambda spec: retrievers[spec.name])
    times = _query_seconds(retriever, open_index(request.parts[0].folder), request.queries)
    p50, p99 = np.percentile(times, [50, 99])
    return Measured(
        documents_per_second=round(1 / seconds_a_document, 2),
        query_ms_p50=round(1000 * float(p50), 3),
        query_ms_p99=round(1000 * float(p99), 3),
        queries_timed=len(times),
        peak_memory_mib=round(peak_memory_mib(), 1),
        others_share=_others_share(before, _ticks()),
    )


def _seconds_a_document(reader: IndexReader, spec: ModelSpec, cache: Path) -> float:
    """Over evenly spaced passages, times the passages that a document has."""
    if spec.kind is ModelKind.SPARSE:
        texts = _texts(reader, _BM25_TEXTS)
        started = perf_counter()
        encoder = Bm25Encoder(spec, average_length(texts, spec))
        for text in texts:
            encoder.document(text)
    else:
        load = load_token_encoder if spec.kind is ModelKind.LATE_INTERACTION else load_encoder
        model = load(spec, cache=cache)
        texts = _texts(reader, _WARM_TEXTS)
        started = perf_counter()
        model.encode_documents(texts)
        if perf_counter() - started < _SLOW_SECONDS:
            texts = _texts(reader, _DENSE_TEXTS)
        started = perf_counter()
        model.encode_documents(texts)
    counts = reader.manifest.counts
    return (perf_counter() - started) / len(texts) * counts.passages / counts.documents


def _texts(reader: IndexReader, most: int) -> list[str]:
    """The texts of up to `most` passages, evenly spaced over the index."""
    passages = reader.manifest.counts.passages
    numbers = sorted({int(number) for number in np.linspace(0, passages - 1, min(most, passages))})
    return [passage_text(passage) for passage in reader.passages(numbers)]


def _query_seconds(retriever: PointRetriever, reader: IndexReader, queries: Sequence[str]) -> list[float]:
    """A slow model is asked fewer, so that no probe takes minutes."""
    for text in queries[:_WARM_QUERIES]:
        search_passages(retriever, reader, text, k=K)
    times: list[float] = []
    for text in queries:
        started = perf_counter()
        search_passages(retriever, reader, text, k=K)
        times.append(perf_counter() - started)
        if len(times) >= _FEWEST_QUERIES and sum(times) > _QUERY_SECONDS:
            break
    return times


def peak_memory_mib() -> float:
    """The most resident memory of this process, pages of mapped index files included.

    Of /proc, since `ru_maxrss` on Linux begins with what the process that started this one had.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)


def _ticks() -> tuple[float, float, float] | None:
    """(all, idle, own) processor seconds so far, over all cores."""
    try:
        columns = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    seconds = [int(column) / os.sysconf("SC_CLK_TCK") for column in columns]
    own = os.times()
    return sum(seconds), seconds[3] + seconds[4], own.user + own.system


def _others_share(
    before: tuple[float, float, float] | None, after: tuple[float, float, float] | None
) -> float | None:
    if before is None or after is None or after[0] <= before[0]:
        return None
    whole, idle, own = (late - early for early, late in zip(before, after, strict=True))
    return round(min(max((whole - idle - own) / whole, 0.0), 1.0), 3)


def main() -> int:
    """Read a request on stdin, print what was measured as JSON on the last line of stdout."""
    from pydantic import TypeAdapter

    request = TypeAdapter(ProbeRequest).validate_json(sys.stdin.buffer.read())
    try:
        measured = probe(request)
    except MedsearchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(TypeAdapter(Measured).dump_python(measured)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
