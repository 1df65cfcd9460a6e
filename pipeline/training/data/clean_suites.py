"""The suites that training data is cleaned of, with what tells whether one has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from medsearch.corpora.catalogue import find_corpus, fingerprint
from medsearch.corpora.locations import document_files
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.workbench.ledger.record import SETTINGS
from medsearch.workbench.selection import selection_tasks
from medsearch.workbench.suites import Suite, load_suite


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """A suite whose corpora are here; `key` is a hash of its texts and of the ledger's settings.

    Of a task of the model hub only questions and judgements are in the key.
    """

    suite: Suite
    key: str


def checked_suites(names: Sequence[str], settings: Settings) -> list[CheckedSuite]:
    """The suites, each once.

    Raises:
        UsageError: there is no such suite; or corpora are missing: the message has all of them.
        CorpusError: a corpus cannot be read, or a task of the model hub cannot be had.
    """
    suites = [load_suite(name) for name in dict.fromkeys(names)]
    corpora = {task.corpus for suite in suites for task in suite.tasks if task.hub_task is None}
    missing = sorted(name for name in corpora if not _is_here(name, settings))
    if missing:
        raise UsageError(
            f"training data is searched for leaks into {' and '.join(suite.name for suite in suites)}, but "
            f"{', '.join(missing)} of them {'is' if len(missing) == 1 else 'are'} not in "
            f"{', '.join(map(str, settings.data))} with documents: name the folder in MEDSEARCH_DATA, or "
            "write `clean_of = []` in the recipe (the card then says that nobody looked for leaks)"
        )
    hashes = {name: fingerprint(find_corpus(name, settings.data)) for name in sorted(corpora)}
    return [CheckedSuite(suite, _key(suite, hashes, settings)) for suite in suites]


def _is_here(name: str, settings: Settings) -> bool:
    """Whether the corpus is there with its documents: without them answers could leak unseen."""
    try:
        return bool(document_files(find_corpus(name, settings.data)))
    except UsageError:
        return False


def _key(suite: Suite, hashes: dict[str, str], settings: Settings) -> str:
    parts = [
        (task.model_dump(mode="json"), hashes.get(task.corpus, ""))
        for task in selection_tasks(suite, settings)
    ]
    return sha256(json.dumps([SETTINGS, parts], sort_keys=True).encode()).hexdigest()
