"""Whether anything in a corpus seems to answer a question: the score that is judged, and the kept thresholds.

A dense model is judged by the cosine of its best hit. BM25 scores grow with the query, so BM25 is judged by
the share of what a document could have had at best. A hybrid's fused score knows ranks only, so it is judged
by its dense part, and what reranks is judged as what it reranks. Late interaction alone is not judged: MaxSim
grows with the question, and nobody has measured a score of it. These were chosen on development queries
(docs/log.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from medsearch.errors import IndexRefusedError, UsageError
from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.manifest import Manifest, replace_file
from medsearch.index.reader import IndexReader
from medsearch.search.names import BM25, HYBRID, RERANK, RetrieverName, parse_retriever
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever
from medsearch.search.searcher import Searcher
from medsearch.types import ModelKind, ModelSpec, Query

FILE = "abstention.json"
"""Thresholds in an index's folder."""

STATISTICS: Mapping[ModelKind, str] = {
    ModelKind.DENSE: "cosine of the best hit",
    ModelKind.SPARSE: "share of the best possible score",
}
"""What is compared with a threshold."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A calibrated threshold: `passages` and `model` are digests of what it was calibrated with.

    It is set so that about `error` of questions like those it was calibrated on score below it; `None` where
    `questions` were too few for that, or where the score does not tell them from questions of other corpora.
    """

    threshold: float | None
    error: float
    questions: int
    passages: str
    model: str


@dataclass(frozen=True, slots=True)
class Answerability:
    """The score of one question, judged."""

    corpus: str
    statistic: str
    score: float
    threshold: float
    error: float

    @property
    def abstains(self) -> bool:
        """Whether nothing seems to answer the question."""
        return self.score < self.threshold

    @property
    def notice(self) -> str:
        """What to tell a person, if it abstains."""
        digits = next((n for n in range(3, 9) if round(self.score, n) != round(self.threshold, n)), 9)
        score, threshold = f"{self.score:.{digits}f}", f"{self.threshold:.{digits}f}"
        return (
            f"Nothing in {self.corpus} seems to answer this: the {self.statistic} is {score}, below "
            f"{threshold}, which is set so that about {100 * self.error:g} % of questions like those it was "
            "calibrated on would wrongly be refused."
        )


def judged_by(name: RetrieverName) -> RetrieverName:
    """The retriever whose score is judged: a reranker's first, a hybrid's dense part, else itself."""
    if name.first is not None:
        return judged_by(name.first)
    return RetrieverName(name.name.removeprefix(HYBRID), name.models[:1])


def check_judged(names: Iterable[RetrieverName]) -> None:
    """Make sure that each retriever has a score that can be judged.

    Raises:
        UsageError: naming the first that has none.
    """
    for name in names:
        if judged_by(name).models[0].kind not in STATISTICS:
            raise UsageError(
                f"{name.name}: late interaction alone has no score that could be judged, so it cannot be "
                f"calibrated; calibrate what it reranks, such as {RERANK}{name.models[0].name}:{BM25}"
            )


def answer_scores(
    retriever: DenseRetriever | Bm25Retriever,
    queries: Sequence[Query],
    *,
    ignore_identical_ids: bool = False,
) -> list[float]:
    """For each query the score that is judged (`STATISTICS`); 0 where nothing is found.

    With `ignore_identical_ids` a document that has the query's id is passed over.
    """
    found = retriever.points([query.text for query in queries], k=1 + ignore_identical_ids)
    best = [
        next((p.score for p in points if not (ignore_identical_ids and p.doc_id == query.query_id)), 0.0)
        for query, points in zip(queries, found, strict=True)
    ]
    if isinstance(retriever, DenseRetriever):
        return best
    ideal = _IdealScore(retriever.reader, retriever.spec)
    return [
        score / ideal.of(query.text) if score else 0.0 for query, score in zip(queries, best, strict=True)
    ]


class _IdealScore:
    """What one document would score if it were the best of all for every word of a query.

    A word that no passage has counts with the most that BM25 can give: (k1 + 1) times the inverse document
    frequency of a word in none. So a query of unknown words is far from its ideal, whatever else is found.
    """

    def __init__(self, reader: IndexReader, spec: ModelSpec) -> None:
        self._reader = reader
        self._spec = spec
        self._encoder = Bm25Encoder(spec, reader.manifest.average_length[spec.name])
        passages = reader.manifest.counts.passages
        self._unknown = (float(spec.parameters["k1"]) + 1) * math.log(1 + (passages + 0.5) / 0.5)
        self._best: dict[frozenset[int], float] = {}

    def of(self, text: str) -> float:
        seen: frozenset[int] = frozenset()
        total = 0.0
        for word in text.split():
            tokens = self._encoder.tokens(word)
            if not tokens <= seen:
                total += self._best_of(tokens, word)
                seen |= tokens
        return total

    def _best_of(self, tokens: frozenset[int], word: str) -> float:
        if tokens not in self._best:
            found = self._reader.search_bm25(self._spec, word, k=1)
            self._best[tokens] = found[0].score if found else self._unknown * len(tokens)
        return self._best[tokens]


def answerability(searcher: Searcher, retriever: str, text: str) -> Answerability | None:
    """How `text` is judged in an index; `None` where no threshold is kept for this retriever.

    Thresholds hold for searches of the whole corpus: do not ask for one with a filter.

    Raises:
        IndexRefusedError: if the threshold was calibrated with other passages or another model.
    """
    name = judged_by(parse_retriever(retriever, searcher.registry))
    kept = read_thresholds(searcher.reader.folder).get(name.name)
    if kept is None or kept.threshold is None:
        return None
    _refuse_stale(kept, searcher, name)
    ready = searcher.retriever(name)
    assert isinstance(ready, DenseRetriever | Bm25Retriever)  # a hybrid is judged by its dense part
    [score] = answer_scores(ready, [Query("", text.strip())])
    statistic = STATISTICS[name.models[0].kind]
    return Answerability(searcher.corpus, statistic, score, kept.threshold, kept.error)


def abstention_notice(searcher: Searcher, retriever: str, text: str) -> str | None:
    """One line for a person where nothing seems to answer `text`, or where that cannot be said any more."""
    try:
        found = answerability(searcher, retriever, text)
    except IndexRefusedError as error:
        return str(error)
    return found.notice if found is not None and found.abstains else None


def read_thresholds(folder: Path) -> dict[str, Threshold]:
    """Retriever -> threshold of the index in `folder`; empty where none was calibrated.

    Raises:
        IndexRefusedError: if the file is damaged.
    """
    from pydantic import TypeAdapter, ValidationError

    file = folder / FILE
    try:
        return TypeAdapter(dict[str, Threshold]).validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError:
        raise IndexRefusedError(
            f"{file}: not readable as thresholds: make them again with `medsearch calibrate CORPUS --index`"
        ) from None


def keep_thresholds(folder: Path, made: Mapping[str, Threshold]) -> None:
    """Add thresholds to those of an index, in place of older ones of the same retrievers."""
    from pydantic import TypeAdapter

    try:
        kept = read_thresholds(folder)
    except IndexRefusedError:  # damaged, and made again now
        kept = {}
    every = TypeAdapter(dict[str, Threshold]).dump_python({**kept, **made}, mode="json")
    replace_file(folder / FILE, json.dumps(every, indent=1).encode() + b"\n")


def model_digest(spec: ModelSpec, manifest: Manifest) -> str:
    """SHA-256 over all of a model that its scores depend on in this index."""
    parts = (spec.of_vectors, spec.query_prompt, manifest.average_length.get(spec.name))
    return sha256(repr(parts).encode()).hexdigest()


def _refuse_stale(kept: Threshold, searcher: Searcher, name: RetrieverName) -> None:
    manifest = searcher.reader.manifest
    changed = ""
    if kept.passages != manifest.passages:
        changed = "the passages have changed"
    elif kept.model != model_digest(name.models[0], manifest):
        changed = f"the model {name.models[0].name} has changed"
    if changed:
        raise IndexRefusedError(
            f"{searcher.reader.folder / FILE}: {changed} since {name.name} was calibrated, so whether "
            f"{searcher.corpus} answers this is not judged; calibrate again with "
            f"`medsearch calibrate {searcher.corpus} --models {name.name} --index`"
        )
