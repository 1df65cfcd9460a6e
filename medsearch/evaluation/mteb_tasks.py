"""Test collections as genuine mteb retrieval tasks, and mteb's retrieval tasks as test collections.

Importing this imports mteb, which takes seconds: do it in the function that needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from datasets import Dataset  # type: ignore[import-untyped]  # it has no types
from mteb.abstasks import AbsTask, AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from medsearch.evaluation.measures import judged_queries
from medsearch.evaluation.mteb_names import task_name
from medsearch.types import Collection, Document, Query

SUBSET = "default"
"""What mteb calls the one subset of a task that has no others."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What mteb's metadata says of a corpus beyond its documents.

    `licence` is one of mteb's names in lower case or an address, `reference` an address; `language` is an
    ISO 639-3 code and an ISO 15924 script. `ignore_identical_ids`: queries are documents, and never find
    themselves.
    """

    description: str = "A test collection of medsearch."
    licence: str = "not specified"
    reference: str | None = None
    language: str = "eng-Latn"
    ignore_identical_ids: bool = False


class CollectionTask(AbsTaskRetrieval):
    """An mteb retrieval task whose data set is a collection in memory; `local_task` makes one."""

    collection: Collection

    def load_data(self, *_: Any, **__: Any) -> None:
        """Build mteb's data set."""
        if self.data_loaded:
            return
        documents, queries = self.collection.documents, self.collection.queries
        relevant = _asked(self.collection)
        corpus = {
            "id": [document.doc_id for document in documents],
            "title": [document.title for document in documents],
            "text": [document.text for document in documents],
        }
        asked = [query for query in queries if query.query_id in relevant]
        questions = {"id": [query.query_id for query in asked], "text": [query.text for query in asked]}
        data = {
            "corpus": Dataset.from_dict(corpus),
            "queries": Dataset.from_dict(questions),
            "relevant_docs": relevant,
            "top_ranked": None,
        }
        self.dataset = {SUBSET: {self.collection.split: data}}  # type: ignore[dict-item]  # RetrievalSplitData
        self.data_loaded = True


def local_task(collection: Collection, facts: TaskFacts | None = None) -> AbsTaskRetrieval:
    """This collection as an mteb task of one split, with nDCG@10 as the main score.

    It asks the queries that have a relevant document, as our own evaluation does, so that mteb's means are
    ours: mteb would ask those judged to have nothing relevant too, and average zeros in. A judged query that
    the collection lacks cannot be asked; it scores 0 with us, and is left out by mteb.
    """
    known = facts or TaskFacts()
    metadata = TaskMetadata(
        name=task_name(collection.name, collection.split),
        description=known.description,
        reference=known.reference,
        dataset={"path": f"medsearch/{collection.name}", "revision": content_hash(collection)[:40]},
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=[collection.split],
        eval_langs=[known.language],
        main_score="ndcg_at_10",
        domains=["Medical", "Written"],
        license=known.licence,
        bibtex_citation="",
    )
    # mteb keeps what a task is on its class, and drops metadata set on an instance when it unloads the data.
    attributes = {
        "metadata": metadata,
        "collection": collection,
        "ignore_identical_ids": known.ignore_identical_ids,
    }
    made: type[CollectionTask] = type("LocalTask", (CollectionTask,), attributes)
    return made()


def collection_of(task: AbsTask, name: str, subset: str, split: str) -> Collection:
    """The documents, queries and judgements of a loaded mteb retrieval task, as `name`."""
    assert isinstance(task, AbsTaskRetrieval)
    task.convert_v1_dataset_format_to_v2(num_proc=None)
    data = task.dataset[subset][split]
    qrels = {
        str(query_id): {str(doc_id): int(grade) for doc_id, grade in grades.items()}
        for query_id, grades in sorted(data["relevant_docs"].items())  # mteb's loader has no order
    }
    queries = tuple(Query(str(row["id"]), row["text"]) for row in _rows(data["queries"]))
    return Collection(name, split, documents_of(data["corpus"]), queries, qrels)


def documents_of(corpus: Iterable[Mapping[str, Any]]) -> tuple[Document, ...]:
    """The rows of an mteb corpus as documents."""
    return tuple(Document(str(row["id"]), row.get("title") or "", row["text"] or "") for row in corpus)


def content_hash(collection: Collection) -> str:
    """SHA-256 over ids, titles and texts of documents, queries and judgements, in their order."""
    digest = sha256()
    for part in (
        ([document.doc_id, document.title, document.text] for document in collection.documents),
        ([query.query_id, query.text] for query in collection.queries),
        ([query_id, sorted(grades.items())] for query_id, grades in sorted(collection.qrels.items())),
    ):
        for row in part:
            digest.update(json.dumps(row).encode() + b"\n")
        digest.update(b"\0")
    return digest.hexdigest()


def _asked(collection: Collection) -> dict[str, dict[str, int]]:
    """The judgements of the queries that are there and have something relevant."""
    there = {query.query_id for query in collection.queries}
    judged = [query_id for query_id in judged_queries(collection.qrels) if query_id in there]
    return {query_id: dict(collection.qrels[query_id]) for query_id in judged}


def _rows(data: Any) -> Iterable[Mapping[str, Any]]:
    return data  # type: ignore[no-any-return]  # datasets has no types for its rows
