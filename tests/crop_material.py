"""Runs with pools whose documents have known sentences, for tests of the stage `crop`."""

from __future__ import annotations

from pathlib import Path

from fakes import TOPICS
from pool_material import write_run

from pipeline.pool import PoolPassage
from pipeline.recipe import CropTable, LlmTable, Recipe
from pipeline.records import SourceDocument
from pipeline.run_folder import RunFolder

TABLE = CropTable(common_share=1.0, dev_share=0.3)


def recipe(table: CropTable = TABLE) -> Recipe:
    """A recipe with this table and no LLM."""
    return Recipe(description="", llm=LlmTable(model="none"), crop=table)


def sentence(document: int, number: int) -> str:
    """A sentence that no other document has; its topic's words mean something to `fakes.TopicEncoder`."""
    words = TOPICS[document % len(TOPICS)]
    topic = words[number % len(words)]
    return f"Finding number{number} of case{document} was {topic} after week{number} on ward{document * 7}."


def pool_passage(
    passage_id: str, text: str, doc_id: str, *, corpus: str = "tiny", group: str = ""
) -> PoolPassage:
    """A passage of a document under a licence."""
    source = SourceDocument(corpus=corpus, doc_id=doc_id, licence="CC BY 4.0", group=group)
    return PoolPassage(passage_id, text, source)


def passages(documents: int, *, first: int = 0, corpus: str = "tiny") -> list[PoolPassage]:
    """Two passages a document of nine sentences; the fifth is in both. Equal numbers have equal words."""
    made = []
    for number in range(first, first + documents):
        texts = [sentence(number, place) for place in range(9)]
        for place, part in enumerate((texts[:5], texts[4:])):
            made.append(pool_passage(f"d{number}#{place}", " ".join(part), f"d{number}", corpus=corpus))
    return made


def source_run(folder: Path, name: str, made: list[PoolPassage]) -> RunFolder:
    """A run that has a pool alone."""
    return write_run(folder / name, made)
