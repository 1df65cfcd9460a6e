"""Questions that a corpus is not known to answer: those of other corpora, sampled by a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from medsearch.corpora.catalogue import CorpusLocation, find_corpus, read_judgements, read_queries, splits
from medsearch.corpora.rejects import Rejects
from medsearch.errors import UsageError
from medsearch.protocols import Progress
from medsearch.settings import Settings
from medsearch.types import Collection, Query
from medsearch.workbench.suites import load_suite

DEFAULT_SUITE = "medical-dev"
"""Whose corpora the questions come from if none are named."""

SAMPLE = 100
"""Questions of each other corpus at most, so that a large one does not stand for all."""

SEED = 0


@dataclass(frozen=True, slots=True)
class OutsideQueries:
    """Corpus -> questions. `shared` were left out: they are questions or documents of the corpus itself."""

    queries: Mapping[str, tuple[Query, ...]]
    shared: int

    @property
    def all(self) -> list[Query]:
        """The questions of all corpora."""
        return [query for queries in self.queries.values() for query in queries]


def find_others(
    names: Sequence[str], location: CorpusLocation, settings: Settings
) -> tuple[CorpusLocation, ...]:
    """The other corpora of these names; of none, those of the suite to choose on that are on this machine.

    Raises:
        UsageError: a named one is not there, is the corpus itself or has no questions, or none is left.
    """
    if not names:
        found = _of_default_suite(settings)
    else:
        found = [find_corpus(name, settings.data) for name in names]
        for other in found:
            if other.path.resolve() == location.path.resolve():
                raise UsageError(
                    f"--others {other.name}: its questions are answered here; name other corpora"
                )
            if not splits(other):
                raise UsageError(f"--others {other.name}: it has no judged questions; name another corpus")
    distinct = {other.path.resolve(): other for other in found if splits(other)}
    distinct.pop(location.path.resolve(), None)
    if not distinct:
        raise UsageError(
            f"no questions from outside {location.name}: name corpora that have questions with --others A,B"
        )
    return tuple(distinct.values())


def _of_default_suite(settings: Settings) -> list[CorpusLocation]:
    found = []
    for task in load_suite(DEFAULT_SUITE).tasks:
        try:
            found.append(find_corpus(task.corpus, settings.data))
        except UsageError:  # a suite's corpora need not be on this machine
            continue
    return found


def outside_queries(
    inside: Collection, location: CorpusLocation, others: Sequence[CorpusLocation], progress: Progress
) -> OutsideQueries:
    """Up to `SAMPLE` questions of each other corpus, none of them a question or document of this one.

    Those of its development split where there is one; their judgements play no part. Some may by chance be
    answered here all the same, so that what is found of them is a lower bound.
    """
    own = {_words(query.text) for query in read_queries(location, Rejects())}
    own |= {_words(text) for document in inside.documents for text in (document.title, document.text)}
    queries: dict[str, tuple[Query, ...]] = {}
    shared = 0
    for other in others:
        drawn = _draw(other)
        kept = tuple(query for query in drawn if _words(query.text) not in own)
        shared += len(drawn) - len(kept)
        if kept:
            queries[other.name] = kept
    if shared:
        progress.say(f"{shared} questions of other corpora left out: they are in {location.name} too")
    if not queries:
        raise UsageError(f"every question of the other corpora is in {location.name} too: name more of them")
    return OutsideQueries(queries, shared)


def _draw(other: CorpusLocation) -> list[Query]:
    """By the order of a hash, so that the same questions are drawn on every machine."""
    there = splits(other)
    judged = read_judgements(other, "dev" if "dev" in there else there[0], Rejects())
    queries = [query for query in read_queries(other, Rejects()) if query.query_id in judged]
    return sorted(queries, key=lambda query: by_chance(query, SEED))[:SAMPLE]


def by_chance(query: Query, seed: int) -> bytes:
    """What queries are sorted by to shuffle them: the same order on every machine."""
    return sha256(f"{seed}:{query.query_id}".encode()).digest()


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
