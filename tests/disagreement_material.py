"""Two made runs over a tiny corpus, kept as `medsearch evaluate --out` keeps them."""

from __future__ import annotations

import json
from pathlib import Path

from medsearch.evaluation.evaluate import Evaluation, result_record
from medsearch.evaluation.keep import keep
from medsearch.evaluation.measures import per_query_scores
from medsearch.types import Collection, Document, Query

TEXTS = {
    "d1": "Angina is pain of the heart.",
    "d2": "Asthma of the lung.",
    "d3": "Diabetes and the heart.",
    "d4": "A rash of the skin.",
    "d5": "Cough of the lung.",
}
QUERIES = {
    "q-same": Query("q-same", "the heart", {}),
    "q-swap": Query("q-swap", "Is there pain without a cough?", {}),
    "q-none": Query("q-none", "sarcoidosis lung", {"kind": "keyword"}),
    "q-one": Query("q-one", "only one run was asked this", {}),
}
QRELS = {"q-same": {"d1": 1}, "q-swap": {"d1": 1, "d5": 0}, "q-none": {"d2": 2}, "q-one": {"d1": 1}}
RUNS = {
    "first": {
        "q-same": {"d1": 3.0, "d3": 2.0},
        "q-swap": {"d1": 3.0, "d5": 2.0, "d4": 1.0},
        "q-none": {"d2": 1.0, "d5": 0.5},
    },
    "other": {
        "q-same": {"d1": 0.9, "d3": 0.1},
        "q-swap": {"d5": 3.0, "d1": 2.0, "d4": 1.0},
        "q-none": {"d4": 1.0},
        "q-one": {"d1": 1.0},
    },
}


def tiny_collection() -> Collection:
    """The corpus in memory."""
    documents = tuple(Document(doc_id, "", text) for doc_id, text in TEXTS.items())
    return Collection("tiny", "test", documents, tuple(QUERIES.values()), QRELS)


def write_corpus(folder: Path) -> None:
    """The same corpus as a BEIR folder."""
    (folder / "qrels").mkdir(parents=True)
    rows = [json.dumps({"_id": doc_id, "text": text}) + "\n" for doc_id, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("".join(rows), encoding="utf-8")
    rows = [
        json.dumps({"_id": q.query_id, "text": q.text, "metadata": dict(q.metadata)}) + "\n"
        for q in QUERIES.values()
    ]
    (folder / "queries.jsonl").write_text("".join(rows), encoding="utf-8")
    judged = [f"{q}\t{d}\t{grade}\n" for q, grades in QRELS.items() for d, grade in grades.items()]
    (folder / "qrels" / "test.tsv").write_text("".join(judged), encoding="utf-8")


def write_results(folder: Path, split: str = "test", corpus_hash: str | None = None) -> Path:
    """Results of both runs; "first" was not scored on q-one, as if its collection lacked it."""
    for name, run in RUNS.items():
        judged = {query_id: QRELS[query_id] for query_id in run}
        evaluation = Evaluation(name, run, judged, per_query_scores(judged, run), 0.1)
        collection = tiny_collection()
        kept = Collection(collection.name, split, collection.documents, collection.queries, judged)
        settings = {"passages": "whole documents", "search": "exact"}
        if corpus_hash is not None:
            settings["corpus_hash"] = corpus_hash
        record = result_record(kept, [evaluation], settings)
        keep({**record, "marks": {name: ["forced"] if name == "other" else []}}, [evaluation], folder)
    return folder
