"""A query's time through the graph index against exact search over the same vectors, and what it finds.

python -m benchmarks.search_speed CORPUS        (a corpus indexed with minilm and bm25)
"""

from __future__ import annotations

import sys
from functools import partial
from time import perf_counter

from benchmarks.record import keep, summary
from medsearch.corpora.catalogue import find_corpus, read_queries
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import load_encoder, load_registry
from medsearch.search.searcher import open_searcher
from medsearch.settings import Settings

QUERIES = 200


def main(corpus: str = "sample") -> None:
    """Time 200 queries one at a time, each by graph, exactly, and by BM25."""
    settings = Settings.from_environment()
    registry = load_registry(settings.models, cache=settings.cache)
    searcher = open_searcher(corpus, settings, registry)
    reader = searcher.reader
    queries = [q.text for q in read_queries(find_corpus(corpus, settings.data), Rejects())][:QUERIES]
    spec, bm25 = registry["minilm"], registry["bm25"]
    vectors = load_encoder(spec, cache=settings.cache).encode_queries(queries)
    seconds: dict[str, list[float]] = {"graph": [], "exact": [], "bm25": []}
    found = 0
    for text, vector in zip(queries, vectors, strict=True):
        rankings = {}
        for name, search in (
            ("graph", partial(reader.search_dense, spec, vector, k=10)),
            ("exact", partial(reader.search_dense, spec, vector, k=10, exact=True)),
            ("bm25", partial(reader.search_bm25, bm25, text, k=10)),
        ):
            started = perf_counter()
            rankings[name] = search()
            seconds[name].append(perf_counter() - started)
        found += len({p.number for p in rankings["graph"]} & {p.number for p in rankings["exact"]})
    timings = {name: summary(values) for name, values in seconds.items()}
    keep(
        f"search_speed_{corpus.replace('/', '--')}",
        {
            "what": f"{len(queries)} queries one at a time over {reader.manifest.counts.passages} passages",
            "seconds": timings,
            "ratio_exact_to_graph": round(timings["exact"]["median"] / timings["graph"]["median"], 2),
            "recall_at_10_of_graph": round(found / (10 * len(queries)), 4),
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:2])
