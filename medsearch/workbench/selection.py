"""What a task is known by, so that one on which a model was chosen is never taken for a test of it."""

from __future__ import annotations

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_judgements, read_queries
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.evaluate import query_keys
from medsearch.evaluation.measures import judged_queries
from medsearch.evaluation.provenance import SelectionTask
from medsearch.evaluation.selection_leak import check_selection
from medsearch.search.conditions import qrels_hash
from medsearch.search.names import RetrieverName
from medsearch.settings import Settings
from medsearch.types import Collection
from medsearch.workbench.hub.bench import hub_location
from medsearch.workbench.hub.tasks import load_hub_task
from medsearch.workbench.suites import Suite


def selection_tasks(suite: Suite, settings: Settings) -> tuple[SelectionTask, ...]:
    """The tasks of a suite as a provenance keeps them, with their judgements' hash and their questions.

    Of a hub task that is not retrieval only the name is known.

    Raises:
        UsageError: a corpus or split is not there.
        CorpusError: a corpus cannot be read, or a task of the hub cannot be had.
    """
    known = []
    for task in suite.tasks:
        if task.hub_task is None:
            known.append(selection_task(find_corpus(task.corpus, settings.data), task.split))
            continue
        hub = load_hub_task(task.hub_task, task.split)
        named = SelectionTask(corpus=hub.corpus, split=hub.split)
        if hub.retrieval:
            found = selection_task(hub_location(hub, settings), hub.split)
            named = found.model_copy(update={"corpus": hub.corpus})
        known.append(named)
    return tuple(known)


def selection_task(location: CorpusLocation, split: str) -> SelectionTask:
    """A split of a corpus with all that it is known by; no document is read.

    Raises:
        UsageError: there is no such split.
        CorpusError: its queries or judgements cannot be read.
    """
    rejects = Rejects()
    judged = read_judgements(location, split, rejects)
    queries = tuple(read_queries(location, rejects))
    return selection_task_of(Collection(location.name, split, (), queries, judged))


def selection_task_of(collection: Collection) -> SelectionTask:
    """The same of a collection that is read."""
    keys = query_keys(collection, set(judged_queries(collection.qrels)))
    return SelectionTask(
        corpus=collection.name,
        split=collection.split,
        qrels_hash=qrels_hash(collection.qrels),
        query_keys=tuple(sorted(keys.values())),
    )


def marks_of(task: SelectionTask, name: RetrieverName, *, choosing: bool, force: bool) -> tuple[str, ...]:
    """The marks that a retriever's score on this task must carry; see `check_selection`.

    Raises:
        MedsearchError: the task took part in choosing one of its models, and may not be evaluated.
    """
    of_models = [check_selection(spec, task, choosing=choosing, force=force) for spec in name.models]
    return tuple(dict.fromkeys(mark for marks in of_models for mark in marks))
