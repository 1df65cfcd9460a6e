"""A contamination ledger as it is kept and printed: counts by benchmark, leaked queries, offending pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.overlap import containment, edits, runs, sketches
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
    "whole_texts_inside_longer": {
        "words": [runs.SIZES.start, runs.SIZES.stop - 1],
        "least_weight": runs.LEAST_WEIGHT,
        "stock_phrase_above": containment.COMMON,
    },
    "near": {
        "words": sketches.GRAM,
        "jaccard": sketches.JACCARD,
        "bands": sketches.BANDS,
        "rows": sketches.ROWS,
        "one_word_apart": [edits.LEAST, edits.LONGEST],
        "word_share": edits.WORD_SHARE,
        "word_share_of_short": round(edits.WORD_SHARE_OF_SHORT, 4),
        "name_share": edits.NAME_SHARE,
    },
}
"""What a report's findings depend on beside the texts."""


def contamination_record(ledger: Ledger, models: Sequence[str] = ()) -> dict[str, Any]:
    """The report, ready for JSON. `models` are those trained on this set; see `leaked_queries`.

    In `by_benchmark`, `queries`, `relevant` and `documents` count the texts of each part that the training
    set overlaps, `*_checked` those that were looked for; `leaks` counts pairs of the first two. `incomplete`
    says that `set_aside` rows could not be read; rows `without_text` could, and had nothing to check.
    `fields_read` counts texts by field, `fields_not_read` the values of fields without any.
    """
    benchmarks, reading = ledger.benchmarks, ledger.reading
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
        "remarks": [*ledger.remarks, *_of_rows(ledger)],
        "incomplete": ledger.incomplete,
        "set_aside": _set_aside(reading.unreadable),
        "without_text": _set_aside(reading.without_text),
        "fields_asked_for": list(ledger.request.fields),
        "fields_read": dict(reading.fields.read),
        "fields_not_read": dict(reading.fields.never_read),
        "settings": SETTINGS,
        "git_revision": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def keep_record(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `folder`/contamination/NAME.SUITE.DIGEST.json for each model, or one by the training file's name.

    `compare`, the leaderboard and the report take all that they find there together. Only a check of the same
    files for the same tasks and fields replaces an older report: another one adds to what is known.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    kept = []
    for name in record.get("models") or [Path(record["train"][0]["file"]).stem]:
        one = {**record, "models": [name]} if "models" in record else record
        stem = f"{file_name(name)}.{file_name(record['suite'])}.{_digest(record)}"
        kept.append(folder / FOLDER / f"{stem}.json")
        text = json.dumps(one, indent=1, ensure_ascii=False) + "\n"
        replace_file(kept[-1], text.encode("utf-8", "replace"))
    return kept


def _digest(record: Mapping[str, Any]) -> str:
    """Eight characters of a SHA-256 of what was checked against what."""
    files = sorted(file["sha256"] for file in record["train"])
    checked = [files, sorted(record["by_benchmark"]), sorted(record["fields_asked_for"])]
    return sha256(json.dumps(checked).encode()).hexdigest()[:8]


def _set_aside(rejects: Rejects) -> dict[str, Any]:
    return {"rows": rejects.count, "examples": rejects.examples}


def _of_rows(ledger: Ledger) -> list[str]:
    """What a page that shows the counts must say of the rows."""
    found = (
        (ledger.reading.unreadable, "could not be read and may leak unseen"),
        (ledger.reading.without_text, "had no text to check"),
    )
    return [
        f"{rejects.count:,} training {'row' if rejects.count == 1 else 'rows'} {said}"
        for rejects, said in found
        if rejects.count
    ]


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
