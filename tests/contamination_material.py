"""A small test collection on disk with two splits, a suite over them, and training rows to check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from overlap_material import CLEAN, PASSAGES, QUESTIONS, cut, swapped

from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask

CLEAN_ROWS = (
    {"query": CLEAN[0], "positive": CLEAN[3], "negatives": [CLEAN[4], CLEAN[5]]},
    {"query": CLEAN[1], "positive": CLEAN[5], "negatives": []},
)

PLANTED = {
    "exact query": {"query": QUESTIONS[0], "positive": CLEAN[3]},
    "case-changed query": {"query": QUESTIONS[0].upper(), "positive": CLEAN[3]},
    "query with one word swapped": {"query": swapped(QUESTIONS[0], 5), "positive": CLEAN[3]},
    "truncated query": {"query": cut(QUESTIONS[0], 0.8), "positive": CLEAN[3]},
    "exact passage": {"query": CLEAN[0], "positive": PASSAGES[0]},
    "case-changed passage": {"query": CLEAN[0], "positive": PASSAGES[0].upper()},
    "passage with one word swapped": {"query": CLEAN[0], "positive": swapped(PASSAGES[0], 20)},
    "truncated passage": {"query": CLEAN[0], "positive": cut(PASSAGES[0], 0.5)},
    "query with soft hyphens": {
        "query": QUESTIONS[0].replace("removal", "rem\u00adoval"),
        "positive": CLEAN[3],
    },
    "query with zero-width characters": {"query": "\u200b".join(QUESTIONS[0]), "positive": CLEAN[3]},
    "query in entities and tags": {
        "query": "<b>" + QUESTIONS[0].replace("s", "&#115;").replace(" ", "&nbsp;") + "</b><br/>",
        "positive": CLEAN[3],
    },
    "query behind a prefix": {"query": f"query: {QUESTIONS[0]}", "positive": CLEAN[3]},
    "query in a chat": {"query": f"<s>[INST] {QUESTIONS[0]} [/INST]", "positive": CLEAN[3]},
    "passage with tags": {"query": CLEAN[0], "positive": PASSAGES[0].replace(" the ", " <i>the</i> ")},
    "passage as a hard negative": {"query": CLEAN[0], "positive": CLEAN[3], "negatives": [PASSAGES[0]]},
}
"""Training rows that leak: question 0 of the test split, or passage 0, which answers it."""


def write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A file of JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_corpus(folder: Path) -> Path:
    """`tiny`: d0 answers q0 and q1 of `test`, d1 answers q2 of `train`; d2 answers nothing."""
    corpus = folder / "tiny"
    write_lines(corpus / "corpus.jsonl", ({"_id": f"d{n}", "text": text} for n, text in enumerate(PASSAGES)))
    write_lines(
        corpus / "queries.jsonl", ({"_id": f"q{n}", "text": text} for n, text in enumerate(QUESTIONS))
    )
    (corpus / "qrels").mkdir()
    (corpus / "qrels" / "test.tsv").write_text("q0\td0\t1\nq1\td0\t2\nq1\td2\t0\n")
    (corpus / "qrels" / "train.tsv").write_text("q2\td1\t1\n")
    return corpus


SUITE = Suite("small", SuiteRole.REPORT, "for tests", (SuiteTask("tiny", "test"),))
SUITE_TOML = 'role = "report"\ntasks = ["tiny:test"]\n'
