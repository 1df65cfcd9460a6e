"""Puts the results of `medsearch evaluate --out DIR` into README's table, and keeps their summary.

python -m benchmarks.results_table DIR
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.record import RESULTS
from medsearch.errors import UsageError

README = Path(__file__).resolve().parent.parent / "README.md"
SUMMARY = RESULTS / "evaluation.json"
BEGIN, END = "<!-- results: made by benchmarks/results_table.py -->", "<!-- end of results -->"
KEPT = ("corpus", "split", "documents", "queries", "models", "git_revision", "created")


def summarise(folder: Path) -> list[dict[str, Any]]:
    """What is kept of each result file: means and settings, not each query."""
    records = [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]
    if not records:
        raise UsageError(f"{folder} has no results: run `medsearch evaluate CORPUS --out {folder}` first")
    return [
        {key: record[key] for key in KEPT}
        | {"search": record["settings"]["search"], "passages": record["settings"]["passages"]}
        for record in records
        if record["settings"].get("search") == "exact"
        and record["settings"]["passages"] == "whole documents"  # README's table is of one kind only
    ]


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """nDCG@10 and Recall@100, times 100, a row a corpus and retriever."""
    rows = [
        [
            record["corpus"],
            f"{record['queries']:,}",
            name,
            f"{100 * scores['nDCG@10']:.1f}",
            f"{100 * scores['Recall@100']:.1f}",
            f"{100 * scores['MRR@10']:.1f}",
        ]
        for record in records
        for name, scores in record["models"].items()
    ]
    headers = ["test collection", "queries", "retriever", "nDCG@10", "Recall@100", "MRR@10"]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def put_in_readme(text: str, new: str) -> str:
    """README with the table between its two marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise UsageError(f"{README.name} has no `{BEGIN}` … `{END}`")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main(folder: str) -> None:
    """Read the results, keep the summary, rewrite the table."""
    records = summarise(Path(folder))
    SUMMARY.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    README.write_text(put_in_readme(README.read_text("utf-8"), table(records)), encoding="utf-8")
    print(table(records))


if __name__ == "__main__":
    main(*sys.argv[1:2])
