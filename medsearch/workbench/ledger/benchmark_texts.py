"""The texts of a suite's test collections, and whose each is: what a training set may not hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_documents, read_queries
from medsearch.corpora.collection import read_judgements
from medsearch.corpora.estimate import estimate_documents
from medsearch.corpora.locations import document_files
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.overlap.edits import LONGEST
from medsearch.evaluation.overlap.index import BenchmarkTexts
from medsearch.evaluation.overlap.normalise import normalised_words
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import Document, Qrels, Query
from medsearch.workbench.suites import Suite, SuiteTask


class Part(StrEnum):
    """What a text is in a test collection."""

    QUERY = "query"
    RELEVANT = "relevant"
    """A document that some query of the split has for an answer."""
    DOCUMENT = "document"
    """Any other document: to have seen it gives no answer away."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a text is: a query or document of a task."""

    task: str
    part: Part
    text_id: str


@dataclass(slots=True)
class TaskTexts:
    """What was read of a task; `answers` is relevant document -> the queries that it answers."""

    name: str
    answers: Mapping[str, tuple[str, ...]]
    queries: int = 0
    relevant: int = 0
    documents: int = 0


@dataclass(slots=True)
class Benchmarks:
    """Every text of a suite once, and its owners by number; the queries of other splits have none.

    `unchecked` is task -> why nothing of it could be read, `remarks` what else must be said.
    `starts` has the beginning of each text by number, where these are kept.
    """

    tasks: dict[str, TaskTexts] = field(default_factory=dict)
    texts: BenchmarkTexts = field(default_factory=BenchmarkTexts)
    owners: dict[int, list[Owner]] = field(default_factory=lambda: defaultdict(list))
    unchecked: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    starts: dict[int, str] | None = None

    def add(self, text: str, owners: Iterable[Owner]) -> None:
        """Add a text; one without any word cannot be found in another, and is passed over."""
        number = self.texts.add(text)
        if number is None:
            return
        self.owners[number] += [owner for owner in owners if owner not in self.owners[number]]
        if self.starts is not None:
            self.starts.setdefault(number, text[:START])


START = 300
"""Characters of a text that are kept to show it by."""


def read_benchmarks(
    suite: Suite, settings: Settings, progress: Progress, *, keep_starts: bool = False
) -> Benchmarks:
    """Read queries, judgements and documents of every task; a corpus of several tasks is read once.

    Raises:
        UsageError: a corpus or a split is not there.
        CorpusError: a task of the model hub cannot be loaded.
    """
    benchmarks = Benchmarks(starts={} if keep_starts else None)
    by_corpus: dict[CorpusLocation, list[SuiteTask]] = defaultdict(list)
    for task in suite.tasks:
        location = _locate(task, settings, benchmarks)
        if location is not None:
            by_corpus[location].append(task)
    for location, tasks in by_corpus.items():
        _read(location, tasks, benchmarks, progress)
    return benchmarks


def _locate(task: SuiteTask, settings: Settings, benchmarks: Benchmarks) -> CorpusLocation | None:
    if task.hub_task is None:
        return find_corpus(task.corpus, settings.data)
    from medsearch.workbench.hub.bench import hub_location
    from medsearch.workbench.hub.tasks import load_hub_task

    hub = load_hub_task(task.hub_task, task.split)
    if hub.retrieval:
        return hub_location(hub, settings)
    benchmarks.unchecked[task.name] = f"a task of {hub.task.metadata.type}, without queries and documents"
    return None


def _read(
    location: CorpusLocation, tasks: list[SuiteTask], benchmarks: Benchmarks, progress: Progress
) -> None:
    rejects = Rejects()
    judged = {task.name: read_judgements(location, task.split, rejects) for task in tasks}
    for name, qrels in judged.items():
        benchmarks.tasks[name] = TaskTexts(name, _answers(qrels))
    for query in read_queries(location, rejects):
        benchmarks.add(query.text, _owners_of_query(query, judged, benchmarks))
    if document_files(location):
        with progress.stage(f"Reading {location.name}", estimate_documents(location)) as advance:
            for document in read_documents(location, rejects):
                owners = _owners_of_document(document, judged, benchmarks)
                for text in _readings(document):
                    benchmarks.add(text, owners)
                advance(1)
    else:
        names = ", ".join(judged)
        benchmarks.remarks.append(f"{names}: its documents are not here, so only its queries are checked")
    if rejects.count:
        benchmarks.remarks.append(
            f"{rejects.count:,} records of {location.name} set aside: {rejects.examples[0]}"
        )


def _readings(document: Document) -> list[str]:
    """The document with its title; a short one without it too: of a long one the title changes little."""
    readings = [document_text(document)]
    if document.title.strip() and len(normalised_words(document.text)) <= LONGEST:
        readings.append(document.text)
    return readings


def _owners_of_query(query: Query, judged: Mapping[str, Qrels], benchmarks: Benchmarks) -> list[Owner]:
    names = [name for name, qrels in judged.items() if query.query_id in qrels]
    for name in names:
        benchmarks.tasks[name].queries += 1
    return [Owner(name, Part.QUERY, query.query_id) for name in names]


def _owners_of_document(
    document: Document, judged: Mapping[str, Qrels], benchmarks: Benchmarks
) -> list[Owner]:
    owners = []
    for name in judged:
        task = benchmarks.tasks[name]
        relevant = document.doc_id in task.answers
        task.relevant += relevant
        task.documents += not relevant
        owners.append(Owner(name, Part.RELEVANT if relevant else Part.DOCUMENT, document.doc_id))
    return owners


def _answers(qrels: Qrels) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for query_id, grades in qrels.items():
        for doc_id, grade in grades.items():
            if grade > 0:
                found[doc_id].append(query_id)
    return {doc_id: tuple(queries) for doc_id, queries in found.items()}
