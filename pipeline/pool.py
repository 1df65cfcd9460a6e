"""The passages of a run that can be positives and negatives."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, ValidationError

from medsearch.errors import MedsearchError
from pipeline.records import Row, SourceDocument
from pipeline.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class PoolPassage:
    """One passage of the pool; `text` is what a model is given: the title, if any, then the words."""

    passage_id: str
    text: str
    source: SourceDocument


class PoolRow(Row):
    """A passage as a line of a BEIR corpus: its source is its metadata."""

    passage_id: str = Field(alias="_id")
    title: str = ""
    text: str
    metadata: SourceDocument

    @classmethod
    def of(cls, passage: PoolPassage) -> PoolRow:
        """The row of a passage."""
        return cls(_id=passage.passage_id, text=passage.text, metadata=passage.source)


def pool_line(passage: PoolPassage) -> bytes:
    """The passage as it is written to the pool's file."""
    return (PoolRow.of(passage).model_dump_json(by_alias=True) + "\n").encode()


def read_pool(run: RunFolder) -> list[PoolPassage]:
    """All passages of a run, in the file's order.

    Raises:
        MedsearchError: the pool is missing or damaged.
    """
    if not run.pool_file.is_file():
        raise MedsearchError(
            f"{run.pool_file} is not there: run `python -m pipeline generate`, `convert` or `prepare` "
            "for this run first"
        )
    with run.pool_file.open(encoding="utf-8") as lines:
        return [_passage(line, f"{run.pool_file}:{number}") for number, line in enumerate(lines, start=1)]


def _passage(line: str, where: str) -> PoolPassage:
    try:
        row = PoolRow.model_validate_json(line)
    except ValidationError:
        raise MedsearchError(f"{where} is not a passage: make this run's pool anew") from None
    return PoolPassage(row.passage_id, row.text, row.metadata)
