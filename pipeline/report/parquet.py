"""Triplets as parquet files, written a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.records import Split, TripletRow

_BLOCK = 2_000
"""Rows in memory at a time, and in one row group of a file."""


def triplet_schema() -> Any:
    """The columns as a `pyarrow.Schema`: what training reads first, then where it comes from."""
    pa = import_module("pyarrow")

    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    return pa.schema(
        [
            ("query", pa.string()),
            ("positive", pa.string()),
            ("negatives", texts),
            ("kind", pa.string()),
            ("query_id", pa.string()),
            ("positive_id", pa.string()),
            ("positive_score", pa.float64()),
            ("negative_ids", texts),
            ("negative_scores", numbers),
            ("found_by", texts),
            ("corpus", pa.string()),
            ("doc_id", pa.string()),
            ("licence", pa.string()),
            ("url", pa.string()),
            ("group", pa.string()),
            ("llm_model", pa.string()),
            ("llm_server", pa.string()),
            ("llm_temperature", pa.float64()),
            ("llm_seed", pa.int64()),
            ("prompt", pa.string()),
            ("prompt_version", pa.int64()),
            ("run", pa.string()),
            ("row_id", pa.string()),
        ]
    )


def flat_row(run: str, row: TripletRow) -> dict[str, Any]:
    """A triplet as one level of columns, but `split`, which is the file's; no LLM leaves its columns null."""
    flat = row.model_dump(mode="json", exclude={"source", "llm", "split"})
    llm = row.llm
    return {
        **flat,
        **row.source.model_dump(),
        "llm_model": llm and llm.model,
        "llm_server": llm and llm.server,
        "llm_temperature": llm and llm.temperature,
        "llm_seed": llm and llm.seed,
        "prompt": llm and llm.prompt,
        "prompt_version": llm and llm.prompt_version,
        "run": run,
    }


@dataclass(slots=True)
class TripletFiles:
    """Open parquet files, one a split; see `triplet_files`."""

    folder: Path
    _rows: dict[Split, list[dict[str, Any]]] = field(default_factory=dict)
    _writers: dict[Split, Any] = field(default_factory=dict)

    def add(self, run: str, row: TripletRow) -> None:
        """Add one row to its split's file."""
        rows = self._rows.setdefault(row.split, [])
        rows.append(flat_row(run, row))
        if len(rows) >= _BLOCK:
            self._write(row.split)

    def _write(self, split: Split) -> None:
        pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        schema = triplet_schema()
        if split not in self._writers:
            self._writers[split] = parquet.ParquetWriter(
                _part(self.folder, split), schema, compression="zstd"
            )
        self._writers[split].write_table(pa.Table.from_pylist(self._rows[split], schema=schema))
        self._rows[split] = []

    def _flush(self) -> None:
        for split, rows in self._rows.items():
            if rows:
                self._write(split)

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()


@contextmanager
def triplet_files(folder: Path) -> Iterator[TripletFiles]:
    """Files `train.parquet` and `dev.parquet` that appear when all rows are in; no rows, no file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = TripletFiles(folder)
    try:
        yield files
        files._flush()
    except BaseException:
        files._close()
        for split in Split:
            _part(folder, split).unlink(missing_ok=True)
        raise
    files._close()
    for split in Split:
        target = folder / f"{split}.parquet"
        if split in files._writers:
            _part(folder, split).replace(target)
        else:
            target.unlink(missing_ok=True)


def _part(folder: Path, split: Split) -> Path:
    return folder / f".{split}.parquet.part"
