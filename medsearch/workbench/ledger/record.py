"""A contamination ledger as it is kept and printed: counts by benchmark, leaked queries, offending pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.overlap import containment, edits, sketches
from medsearch.evaluation.overlap.found import Kind
from medsearch.index.manifest import replace_file
from medsearch.workbench.comparison.leaked_queries import FOLDER
from medsearch.workbench.ledger.benchmark_texts import Part, TaskTexts
from medsearch.workbench.ledger.contamination import LeakingPair, Ledger, TaskTally

SETTINGS = {
    "containment": {
        "words": containment.GRAM,
        "share": containment.SHARE,
        "share_of_few": containment.SHARE_OF_FEW,
        "few_below": containment.MANY,
        "stock_phrase_above": containment.COMMON,
    },
    "near": {
        "words": sketches.GRAM,
        "jaccard": sketches.JACCARD,
        "bands": sketches.BANDS,
        "rows": sketches.ROWS,
        "one_word_apart_up_to": edits.LONGEST,
    },
}
"""What a report's findings depend on beside the texts."""


def contamination_record(ledger: Ledger, models: Sequence[str] = ()) -> dict[str, Any]:
    """The report, ready for JSON. `models` are those trained on this set; see `leaked_queries`.

    In `by_benchmark`, `queries`, `relevant` and `documents` count the texts of each part that the training
    set overlaps, `*_checked` those that were looked for; `leaks` counts pairs of the first two.
    """
    benchmarks = ledger.benchmarks
    named = {"models": list(models)} if models else {}
    return {
        "suite": ledger.request.suite.name,
        **named,
        "train": [
            {"file": str(t.file.path), "sha256": t.file.sha256, "rows": t.rows, "texts": t.texts}
            | {"rows_with_leaks": len(t.leaking)}
            for t in ledger.train
        ],
        "leaks": ledger.leaks,
        "by_benchmark": {name: _of_task(task, benchmarks.tasks[name]) for name, task in ledger.tasks.items()},
        "roles": dict(ledger.roles),
        "pairs": [_of_pair(pair, shown=ledger.request.show_text) for pair in ledger.pairs],
        "pairs_not_listed": ledger.leaks - len(ledger.pairs),
        "unchecked": benchmarks.unchecked,
        "remarks": benchmarks.remarks,
        "set_aside": {"rows": ledger.rejects.count, "examples": ledger.rejects.examples},
        "settings": SETTINGS,
        "git_revision": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def keep_record(record: dict[str, Any], folder: Path, name: str) -> Path:
    """Write `folder`/contamination/NAME.json, where `compare` and the leaderboard look for it."""
    file = folder / FOLDER / f"{file_name(name)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    return file


def _of_task(tally: TaskTally, texts: TaskTexts) -> dict[str, Any]:
    queries, relevant, documents = (tally.overlaps[part] for part in Part)
    return {
        "leaks": tally.leaks,
        "queries": len(queries),
        "relevant": len(relevant),
        "documents": len(documents),
        "queries_checked": texts.queries,
        "relevant_checked": texts.relevant,
        "documents_checked": texts.documents,
        "kinds": {part.value: _kinds(tally.overlaps[part]) for part in Part},
        "leaked_queries": sorted(tally.leaked),
        "leaked_share": round(len(tally.leaked) / max(1, texts.queries), 4),
    }


def _kinds(overlaps: dict[str, Kind]) -> dict[str, int]:
    counts = Counter(overlaps.values())
    return {kind.value: counts[kind] for kind in Kind}


def _of_pair(pair: LeakingPair, *, shown: bool) -> dict[str, Any]:
    texts = {"train_text": pair.found_in.text, "benchmark_text": pair.benchmark_text} if shown else {}
    return {
        "benchmark": pair.owner.task,
        "part": pair.owner.part.value,
        "id": pair.owner.text_id,
        "kind": pair.kind.value,
        "similarity": round(pair.similarity, 4),
        "train": f"{pair.file}:{pair.found_in.row}",
        "field": pair.found_in.field,
        "role": pair.found_in.role.value,
        **texts,
    }
