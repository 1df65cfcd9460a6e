"""Two retrievers' results on one task, and the collection that they are of."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.corpora.catalogue import find_corpus, fingerprint, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.errors import UsageError
from medsearch.evaluation.guards import Pair
from medsearch.evaluation.results import TaskResult
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import Collection
from medsearch.workbench.comparison.pairing import pair_results
from medsearch.workbench.suites import HUB


def find_pair(results: Sequence[TaskResult], a: str, b: str, task: str | None) -> Pair:
    """The results of two retrievers on a task; where they share only one, it need not be named.

    Raises:
        UsageError: if both are one retriever, one or the task is not there, or they share several tasks and
            none is named.
        UnfairError: if a retriever has several results on the task that differ.
        MedsearchError: if they have no task in common.
    """
    if a == b:
        raise UsageError(f"--a and --b are both {a}: it ranks as it does itself; name two retrievers")
    pairs = pair_results(results, a, b, [task] if task else []).pairs
    if len(pairs) > 1:
        raise UsageError(f"name a task with --task: {', '.join(pairs)}")
    [pair] = pairs.values()
    return pair


def collection_of(pair: Pair, settings: Settings, progress: Progress) -> Collection:
    """The collection that two results are of, with its texts; a hub task is loaded from the model hub.

    Raises:
        UsageError: if it is not on this machine.
    """
    result = pair[0]
    if result.corpus.startswith(HUB):
        from medsearch.evaluation.mteb_tasks import collection_of as collection_of_hub
        from medsearch.workbench.hub.tasks import load_hub_task

        hub = load_hub_task(result.corpus.removeprefix(HUB), result.split)
        return collection_of_hub(hub.task, hub.corpus, hub.subset, hub.split)
    location = find_corpus(result.corpus, settings.data)
    now = fingerprint(location)
    for one in pair:
        if one.settings.get("corpus_hash", now) != now:
            progress.say(f"warning: {one.corpus} has changed since {one.file.name} was made")
    return load_collection(location, result.split, Rejects())
