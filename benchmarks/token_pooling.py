"""What token pooling costs a late-interaction model and what it saves: nDCG@10 and bytes at factors 1 to 4.

    python -m benchmarks.token_pooling medquad:dev my-colbert --first minilm

Documents are encoded once; their token vectors are then pooled at each factor (Clavié et al. 2024) and
written to an index of their own, whose size is measured. With --first the model reranks what that retriever
finds, else it searches alone. Splits that a suite reports on are refused: choose a factor on others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.record import keep
from medsearch.cli.terminal import TerminalProgress, show_table
from medsearch.corpora.catalogue import find_corpus
from medsearch.corpora.passages import passage_text
from medsearch.encoders.registry import load_registry
from medsearch.encoders.token_pooling import pool_tokens
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.evaluate import evaluate
from medsearch.evaluation.measures import judged_queries
from medsearch.evaluation.results import PRIMARY
from medsearch.index.assemble import Source
from medsearch.index.build import CutReport, Material, build_index
from medsearch.index.reader import IndexReader, open_index
from medsearch.protocols import Progress, TokenEncoder
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.names import RERANK, RetrieverName, parse_retriever
from medsearch.search.query_tokens import remembering_tokens
from medsearch.search.reranking import RerankRetriever, TokenRetriever, assemble
from medsearch.search.retrievers import PointRetriever
from medsearch.settings import Settings
from medsearch.types import Passage, Vectors
from medsearch.workbench.efficiency import allocated_bytes
from medsearch.workbench.looks import reported_as
from medsearch.workbench.suites import SuiteTask

FACTORS = (1.0, 2.0, 3.0, 4.0)
_BLOCK = 256
_POOLING = "token_pooling"


@dataclass(frozen=True, slots=True)
class Shrunk:
    """One factor: how many vectors a document keeps, what its index takes a document, and its mean score."""

    factor: float
    vectors_a_document: float
    index_bytes_a_document: float
    score: float


class PooledAfterwards:
    """An encoder of which every document is known already: the vectors of an index, in its order, pooled."""

    def __init__(self, known: IndexReader, encoder: TokenEncoder, factor: float) -> None:
        self.spec = replace(encoder.spec, parameters={**encoder.spec.parameters, _POOLING: factor})
        self.count = 0
        self._encoder = encoder
        self._rows = (rows for chunk in known.vectors(encoder.spec.name) for rows in chunk)
        self._factor = factor

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """Queries are never pooled."""
        return self._encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """The next `len(texts)` of the index."""
        pooled = [pool_tokens(rows, self._factor) for rows in islice(self._rows, len(texts))]
        self.count += sum(map(len, pooled))
        return pooled


def study(task: SuiteTask, name: RetrieverName, settings: Settings, progress: Progress) -> dict[str, Any]:
    """The record: a row a factor.

    Raises:
        UsageError: a suite reports on the task, or there is no such corpus or split.
        ModelUnavailableError: a model's weights are not on this machine.
    """
    registry = load_registry(settings.models, cache=settings.cache)
    request = BenchmarkRequest(find_corpus(task.corpus, settings.data), task.split, (name,))
    bench = open_bench(request, settings, registry, progress)
    if reported_as(task, bench.shared["qrels_hash"], settings) is not None:
        raise UsageError(f"{task.name} is reported on by a suite: choose a factor on another split")
    late = name.models[0]
    base = replace(late, parameters={k: v for k, v in late.parameters.items() if k != _POOLING})
    folder = bench.folder(base, progress)
    judged = judged_queries(bench.collection.qrels)
    texts = [query.text for query in bench.collection.queries if query.query_id in judged]
    encoder = load_token_encoder(base, cache=settings.cache)
    known = remembering_tokens(encoder, texts, folder / "queries", progress)
    first = None if name.first is None else assemble(name.first, lambda spec: bench.part(spec, progress))
    rows = [_shrunk(factor, open_index(folder), known, first, bench, progress) for factor in FACTORS]
    return {
        "task": task.name,
        "retriever": name.name,
        "measure": PRIMARY,
        "documents": len(bench.collection.documents),
        "queries": len(judged),
        "model": asdict(base) | {"parameters": dict(base.parameters)},
        "factors": [asdict(row) for row in rows],
    }


def _shrunk(
    factor: float,
    known: IndexReader,
    encoder: TokenEncoder,
    first: PointRetriever | None,
    bench: Bench,
    progress: Progress,
) -> Shrunk:
    pooled = PooledAfterwards(known, encoder, factor)
    documents = known.manifest.counts.documents
    with TemporaryDirectory(dir=bench.settings.cache) as place:
        folder = Path(place) / "index"
        plan = replace(known.manifest.plan, models={pooled.spec.name: pooled.spec})
        material = Material(
            passages=lambda: _passages(known),
            documents=lambda: documents,
            cut=lambda: CutReport(0, 0),
            text=passage_text,
            encoder=lambda _: pooled,
            source=Source(known.manifest.path, known.manifest.stamp),
        )
        manifest = build_index(folder, plan, material, progress)
        size = allocated_bytes(folder / manifest.shard)
        reader = open_index(folder)
        late = TokenRetriever(reader, pooled)
        retriever = late if first is None else RerankRetriever(first, late)
        scored = evaluate(
            f"{_POOLING} {factor:g}",
            retriever,
            bench.collection,
            ignore_identical_ids=bool(bench.shared["ignore_identical_ids"]),
        )
        reader.close()
    return Shrunk(
        factor=factor,
        vectors_a_document=round(pooled.count / documents, 1),
        index_bytes_a_document=round(size / documents, 1),
        score=round(scored.means[PRIMARY], 4),
    )


def _passages(reader: IndexReader) -> Iterator[Passage]:
    """All of an index, in order."""
    count = reader.manifest.counts.passages
    for start in range(0, count, _BLOCK):
        yield from reader.passages(range(start, min(start + _BLOCK, count)))


def show(measured: dict[str, Any]) -> None:
    """A row a factor; what is lost and saved is against factor 1."""
    one = measured["factors"][0]
    rows = [
        [
            f"{row['factor']:g}",
            f"{row['vectors_a_document']:.1f}",
            f"{row['index_bytes_a_document']:,.0f}",
            f"{row['index_bytes_a_document'] / one['index_bytes_a_document']:.2f}",
            f"{100 * row['score']:.1f}",
            f"{100 * (row['score'] - one['score']):+.1f}",
        ]
        for row in measured["factors"]
    ]
    headers = [
        "factor",
        "vectors a document",
        "bytes a document",
        "of factor 1",
        measured["measure"],
        "change",
    ]
    show_table(rows, headers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, keep, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.token_pooling",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("task", metavar="CORPUS:SPLIT")
    parser.add_argument("model", metavar="LATE", help="a late-interaction model of the registry")
    parser.add_argument("--first", help="rerank what this finds, such as minilm or hybrid:minilm")
    options = parser.parse_args(arguments)
    corpus, _, split = options.task.partition(":")
    name = f"{RERANK}{options.model}:{options.first}" if options.first else options.model
    try:
        settings = Settings.from_environment()
        asked = parse_retriever(name, load_registry(settings.models, cache=settings.cache))
        measured = study(SuiteTask(corpus, split or "test"), asked, settings, TerminalProgress())
    except MedsearchError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    keep("token_pooling", measured)
    show(measured)


if __name__ == "__main__":
    main()
