"""The passages of a run that can be positives and negatives."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from medsearch.errors import MedsearchError
from pipeline.records import SourceDocument
from pipeline.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class PoolPassage:
    """One passage of the pool; `text` is what a model is given: the title, if any, then the words."""

    passage_id: str
    text: str
    source: SourceDocument


def pool_line(passage: PoolPassage) -> bytes:
    """The passage as a line of a BEIR corpus: its source is its metadata."""
    record = {
        "_id": passage.passage_id,
        "title": "",
        "text": passage.text,
        "metadata": passage.source.model_dump(),
    }
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()


def read_pool(run: RunFolder) -> list[PoolPassage]:
    """All passages of a run, in the file's order.

    Raises:
        MedsearchError: the pool is missing or damaged.
    """
    if not run.pool_file.is_file():
        raise MedsearchError(
            f"{run.pool_file} is not there: run `python -m pipeline generate` or `convert` for this run first"
        )
    with run.pool_file.open(encoding="utf-8") as lines:
        return [_passage(line, f"{run.pool_file}:{number}") for number, line in enumerate(lines, start=1)]


def _passage(line: str, where: str) -> PoolPassage:
    try:
        record = json.loads(line)
        return PoolPassage(record["_id"], record["text"], SourceDocument.model_validate(record["metadata"]))
    except (ValueError, KeyError, TypeError):
        raise MedsearchError(f"{where} is not a passage: make this run's pool anew") from None


def by_id(passages: Iterable[PoolPassage]) -> dict[str, PoolPassage]:
    """Passages by their id."""
    return {passage.passage_id: passage for passage in passages}
