"""`medsearch search`: ranked passages for a query."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import Any

from medsearch.cli.terminal import clean, positive_int, show_json
from medsearch.encoders.registry import load_registry
from medsearch.search.abstention import abstention_notice
from medsearch.search.searcher import Found, Searcher, open_searcher
from medsearch.settings import Settings
from medsearch.types import Filter, MetadataValue, PassageHit

_MODEL = "MODEL, bm25, hybrid:MODEL, rerank:LATE:FIRST (default: the index's best)"
_SNIPPET = 400
NOTICE = "Not a medical device: documents may be wrong or out of date; do not base care on them alone."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `search`."""
    parser.add_argument("query", metavar="QUERY", help="what you are looking for")
    parser.add_argument("--corpus", default="sample", help="an indexed corpus (default: sample)")
    parser.add_argument("--model", help=_MODEL)
    year = positive_int(limit=9999)
    parser.add_argument("-k", type=positive_int(), default=10, help="how many documents (default: 10)")
    parser.add_argument("--year-from", type=year, metavar="YEAR", help="from this year on")
    parser.add_argument("--year-to", type=year, metavar="YEAR", help="up to this year")
    parser.add_argument("--kind", action="append", default=[], help="only this kind (may be repeated)")
    parser.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    parser.add_argument("--section", action="append", default=[], help="only this section (may be repeated)")


def run(arguments: argparse.Namespace) -> int:
    """Search and print."""
    settings = Settings.from_environment()
    searcher = open_searcher(arguments.corpus, settings, load_registry(settings.models, cache=settings.cache))
    model = arguments.model or searcher.retriever_names()[0]
    where = Filter(
        year_from=arguments.year_from,
        year_to=arguments.year_to,
        kinds=tuple(arguments.kind),
        sources=tuple(arguments.source),
        sections=tuple(arguments.section),
    )
    found = searcher.search(arguments.query, retriever=model, k=arguments.k, where=where)
    # Thresholds hold for searches of the whole corpus.
    notice = abstention_notice(searcher, model, found.query) if where == Filter() else None
    if arguments.json:
        show_json(_record(found, searcher, notice))
        return 0
    if notice:
        print(f"{clean(notice)}\n")
    _print(found, searcher)
    return 0


def _record(found: Found, searcher: Searcher, notice: str | None) -> dict[str, Any]:
    return {
        "query": found.query,
        "corpus": searcher.corpus,
        "model": found.retriever,
        "notice": notice,
        "hits": [_hit(rank, hit) for rank, hit in enumerate(found.hits, start=1)],
    }


def _hit(rank: int, hit: PassageHit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "rank": rank,
        "doc_id": passage.doc_id,
        "score": hit.score,
        "title": passage.title,
        "text": passage.text,
        "metadata": dict(passage.metadata),
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
    }


def _print(found: Found, searcher: Searcher) -> None:
    if not found.hits:
        print("Nothing found. Try other words, another --model, or fewer filters.")
    for rank, hit in enumerate(found.hits, start=1):
        passage = hit.passage
        facts = [passage.section, *(_fact(passage.metadata.get(key)) for key in ("year", "kind", "source"))]
        line = " · ".join(fact for fact in (passage.doc_id, *facts) if fact)
        text = textwrap.shorten(passage.text, _SNIPPET, placeholder=" …")
        print(f"{rank:>2}. {clean(passage.title) or '(no title)'}   [{hit.score:.4f}]")
        print(f"    {clean(line)}")
        print(textwrap.indent(textwrap.fill(clean(text), 100), "    ") + "\n")
    documents = searcher.reader.manifest.counts.documents
    took = f"{found.seconds * 1000:.0f} ms"
    print(f"{found.retriever} over {documents:,} documents of {searcher.corpus}, {took}", file=sys.stderr)
    print(NOTICE, file=sys.stderr)


def _fact(value: MetadataValue) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")
