"""A small run whose passages and queries mean something to `fakes.TopicEncoder`, for tests of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fakes import TOPICS, TopicEncoder

from medsearch.search.retrievers import Bm25Retriever
from medsearch.settings import Settings
from pipeline.journal import lines_of
from pipeline.pool import PoolPassage, pool_line
from pipeline.pool_search import PoolSearch
from pipeline.records import PairRow, QueryKind, SourceDocument, Split
from pipeline.run_folder import RunFolder

TOPIC_MODEL = "topics"
REGISTRY = f"""
[{TOPIC_MODEL}]
source = "path:nowhere"
revision = "1"
kind = "dense"
pooling = "mean"
max_tokens = 64
dim = {len(TOPICS) + 1}
licence = "none"
"""
"""What `load_registry` needs to know of the stand-in encoder; `load_encoder` must be replaced to give it."""


def topic_settings(folder: Path) -> Settings:
    """Settings with everything in `folder`, in whose registry is the stand-in encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    models = folder / "models.toml"
    models.write_text(REGISTRY, encoding="utf-8")
    return Settings(data=(folder,), index=folder / "index", cache=folder / "cache", models=models)


def passage(passage_id: str, text: str, doc_id: str = "", group: str = "") -> PoolPassage:
    """A passage of document `doc_id`, by default one of its own."""
    source = SourceDocument(corpus="tiny", doc_id=doc_id or f"doc-{passage_id}", licence="none", group=group)
    return PoolPassage(passage_id, text, source)


def pair(
    row_id: str, query: str, positive: PoolPassage, query_id: str = "", split: Split | None = None
) -> PairRow:
    """A pair about a passage of the pool."""
    return PairRow(
        row_id=row_id,
        query_id=query_id or f"q-{row_id}",
        query=query,
        kind=QueryKind.QUESTION,
        positive_id=positive.passage_id,
        positive=positive.text,
        split=split,
        source=positive.source,
    )


def write_run(folder: Path, passages: Iterable[PoolPassage], pairs: Sequence[PairRow] = ()) -> RunFolder:
    """A run folder with this pool and, if any, these pairs."""
    run = RunFolder(folder)
    run.pool.mkdir(parents=True, exist_ok=True)
    run.pool_file.write_bytes(b"".join(pool_line(each) for each in passages))
    if pairs:
        run.pairs.write_bytes(lines_of(pairs))
    return run


_SITES = ("of an old man", "in a child", "after surgery", "at night", "of a nurse", "in spring", "on a ward")


def many_passages(documents: int, each: int = 2) -> list[PoolPassage]:
    """`each` passages of every document, about one topic in varying words; two documents make a group."""
    passages = []
    for number in range(documents * each):
        document = number // each
        words = TOPICS[document // 2 % len(TOPICS)]
        other = TOPICS[(document // 2 + 1 + number % 3) % len(TOPICS)]
        text = (
            f"Case {number}: {words[number % 4]} and {words[(number // 2) % 4]} {_SITES[number % 7]}, "
            f"{'with ' + other[number % 4] if number % 2 else 'nothing else'}, seen {number * 7 % 31} times."
        )
        passages.append(passage(f"p{number:03d}", text, f"d{document:03d}", f"g{document // 2:03d}"))
    return passages


def many_pairs(passages: Sequence[PoolPassage], step: int = 3) -> list[PairRow]:
    """A pair about every `step`-th passage, its query in some of the passage's words."""
    return [
        pair(f"r{number:03d}", f"What about {' '.join(each.text.split()[2:7])} in case {number}?", each)
        for number, each in enumerate(passages)
        if number % step == 0
    ]


def topic_search(passages: Sequence[PoolPassage]) -> PoolSearch:
    """These passages searchable by vectors alone, in no time; a search by words fails."""
    encoder = TopicEncoder()
    matrix = encoder.encode_documents([each.text for each in passages])
    numbers = {each.passage_id: number for number, each in enumerate(passages)}

    def no_words() -> Bm25Retriever:
        raise AssertionError("these passages cannot be searched by words")

    return PoolSearch(passages, encoder, no_words, matrix, numbers)
