"""Small judged corpora for tests of `convert`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fakes import Heard

from medsearch.corpora.catalogue import find_corpus
from pipeline.convert import ConvertRequest, convert_corpus
from pipeline.journal import read_rows
from pipeline.pool import read_pool
from pipeline.records import PairRow
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

Record = Mapping[str, object]
Judgements = Sequence[tuple[str, str, int]]


def write_corpus(
    folder: Path, qrels: Mapping[str, Judgements], documents: Iterable[Record], queries: Iterable[Record]
) -> Path:
    """A BEIR folder of these records."""
    (folder / "qrels").mkdir(parents=True)
    for name, records in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    for split, rows in qrels.items():
        text = "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows)
        (folder / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


def convert(corpus: Path, runs: Path, *, min_grade: int | None = None) -> tuple[RunFolder, Yield]:
    """The run that the corpus's train split becomes, and what was counted."""
    run = RunFolder(runs / corpus.name)
    request = ConvertRequest(find_corpus(corpus.name, [corpus.parent]), "train", min_grade)
    return run, convert_corpus(request, run, Heard())


def rows_of(run: RunFolder) -> list[PairRow]:
    """The run's pairs."""
    return list(read_rows(run.pairs, PairRow))


def pool_of(run: RunFolder) -> list[str]:
    """The ids of the run's passages."""
    return [passage.passage_id for passage in read_pool(run)]
