"""Calibrates when a retriever should say that a corpus does not answer a question, and measures how well.

One half of the judged queries makes the threshold, the other half and questions of other corpora measure it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from medsearch.corpora.catalogue import CorpusLocation, splits
from medsearch.errors import UsageError
from medsearch.evaluation.abstention import (
    Calibration,
    abstention,
    check_error,
    conformal_threshold,
    separation,
)
from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.measures import judged_queries
from medsearch.index.manifest import Manifest
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.abstention import (
    STATISTICS,
    Threshold,
    answer_scores,
    check_judged,
    judged_by,
    keep_thresholds,
    model_digest,
)
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.names import RetrieverName
from medsearch.search.query_vectors import remembering
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever
from medsearch.search.searcher import Searcher, index_folder, open_searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Collection, ModelSpec, Query
from medsearch.workbench.looks import note_look
from medsearch.workbench.outside_queries import SAMPLE, SEED, OutsideQueries, by_chance, outside_queries
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask, reported_tasks

DEV, TEST = "dev", "test"


@dataclass(frozen=True, slots=True)
class CalibrationRequest:
    """What to calibrate: retrievers on the queries of one split, for a rate of false refusals of `error`.

    With `report` all of the split calibrates and the test split measures, else one half each. `index` judges
    as the page searches (its passages, the graph) and keeps in the index the thresholds that tell anything.
    """

    location: CorpusLocation
    retrievers: tuple[RetrieverName, ...]
    others: tuple[CorpusLocation, ...]
    split: str
    error: float = 0.05
    report: bool = False
    index: bool = False


@dataclass(frozen=True, slots=True)
class _Queries:
    """Who calibrates and who measures."""

    calibrating: Sequence[Query]
    measuring: Sequence[Query]
    outside: OutsideQueries
    calibrated_on: str
    measured_on: str

    @property
    def all(self) -> list[Query]:
        """Everyone."""
        return [*self.calibrating, *self.measuring, *self.outside.all]


def default_split(location: CorpusLocation) -> str:
    """The development split, else the only one, unless a suite reports on it.

    Raises:
        UsageError: if there is none that may be used without being asked for by name.
    """
    there = splits(location)
    if DEV in there:
        return DEV
    if not there:
        raise UsageError(f"corpus {location.name} has no judged queries (qrels/SPLIT.tsv) to calibrate on")
    if len(there) > 1 or SuiteTask(location.name, there[0]).name in reported_tasks():
        raise UsageError(
            f"corpus {location.name} has no split {DEV!r}; it has {', '.join(there)}: name one with --split "
            "(a test split that a suite reports on is then looked at, which is counted)"
        )
    return there[0]


def calibrate(
    request: CalibrationRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> list[Calibration]:
    """A calibration for each retriever; with `request.index` the index keeps the thresholds too.

    Of a score that does not separate (`Calibration.separates`) none is kept, and an older one is forgotten.

    Raises:
        UsageError: if the error rate is none, there are fewer than two queries, a split is missing, or a
            retriever has no score that is judged.
        IndexRefusedError: with `index`, if the corpus has no index or has changed since.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    check_error(request.error)
    check_judged(request.retrievers)
    if request.report and request.split == TEST:
        raise UsageError("--report measures on the test split: calibrate on another one, such as --split dev")
    work = _Work(request, settings, registry, progress)
    bench = work.bench(request.split)
    queries = work.queries(bench)
    made: list[Calibration] = []
    thresholds: dict[str, Threshold] = {}
    for name in request.retrievers:
        judged = judged_by(name)
        retriever = work.retriever(judged, bench, queries)
        made.append(_calibration(name, retriever, queries, bench, request))
        thresholds[judged.name] = _served(made[-1], judged, retriever.reader.manifest)
        work.note_looks(RetrieverName(name.name, judged.models), queries)
    if request.index:
        keep_thresholds(index_folder(request.location.name, settings), thresholds)
    return made


@dataclass(frozen=True, slots=True)
class _Work:
    """A request with what it takes to open corpora and indexes."""

    request: CalibrationRequest
    settings: Settings
    registry: Mapping[str, ModelSpec]
    progress: Progress

    def bench(self, split: str) -> Bench:
        """The judged queries of a split, with the conditions they are searched under."""
        asked = self.request
        benchmark = BenchmarkRequest(asked.location, split, asked.retrievers, approximate=asked.index)
        return open_bench(benchmark, self.settings, self.registry, self.progress)

    def queries(self, bench: Bench) -> _Queries:
        """All questions, each with its part to play."""
        asked = self.request
        answerable = _answerable(bench.collection)
        outside = outside_queries(bench.collection, asked.location, asked.others, self.progress)
        if asked.report:
            test = _answerable(self.bench(TEST).collection)
            return _Queries(answerable, test, outside, asked.split, TEST)
        shuffled = sorted(answerable, key=lambda query: by_chance(query, SEED))
        half = (len(shuffled) + 1) // 2
        parts = f"half of {asked.split}", f"the other half of {asked.split}"
        return _Queries(shuffled[:half], shuffled[half:], outside, *parts)

    def retriever(
        self, name: RetrieverName, bench: Bench, queries: _Queries
    ) -> DenseRetriever | Bm25Retriever:
        """Over the page's own index, or exactly over that of evaluations, query vectors kept beside it."""
        corpus = self.request.location.name
        if self.request.index:
            return _of_one_model(open_searcher(corpus, self.settings, self.registry), name, exact=False)
        folder = bench.folder(name.models[0], self.progress)
        searcher = Searcher(corpus, open_index(folder), self.registry, self.settings.cache)
        retriever = _of_one_model(searcher, name, exact=True)
        if isinstance(retriever, Bm25Retriever):
            return retriever
        texts = sorted({query.text for query in queries.all})
        encoder = remembering(retriever.encoder, texts, folder / "queries", self.progress)
        return DenseRetriever(retriever.reader, encoder, retriever.exact)

    def note_looks(self, name: RetrieverName, queries: _Queries) -> None:
        """Every split whose queries were asked was looked at, which counts if a suite reports on it."""
        asked = self.request
        sizes = {asked.split: len(queries.calibrating), TEST: len(queries.measuring)}
        if not asked.report:
            sizes = {asked.split: len(queries.calibrating) + len(queries.measuring)}
        for split, size in sizes.items():
            task = SuiteTask(asked.location.name, split)
            note_look(task, name, Suite("calibrate", SuiteRole.CHOOSE, "", (task,)), size, self.settings)


def _answerable(collection: Collection) -> list[Query]:
    judged = set(judged_queries(collection.qrels))
    found = [query for query in collection.queries if query.query_id in judged]
    if len(found) < 2:
        raise UsageError(
            f"{collection.name}:{collection.split} has {'one query' if found else 'no query'} with a "
            "relevant document: at least two are needed, one to calibrate and one to measure"
        )
    return found


def _of_one_model(searcher: Searcher, name: RetrieverName, *, exact: bool) -> DenseRetriever | Bm25Retriever:
    retriever = searcher.retriever(name, exact=exact)
    assert isinstance(retriever, DenseRetriever | Bm25Retriever)  # a hybrid is judged by its dense part
    return retriever


def _calibration(
    name: RetrieverName,
    retriever: DenseRetriever | Bm25Retriever,
    queries: _Queries,
    bench: Bench,
    request: CalibrationRequest,
) -> Calibration:
    ignore, judged = bool(bench.shared["ignore_identical_ids"]), judged_by(name)

    def scores(asked: Sequence[Query]) -> list[float]:
        return answer_scores(retriever, asked, ignore_identical_ids=ignore)

    calibrating, measuring = scores(queries.calibrating), scores(queries.measuring)
    outside = {corpus: scores(asked) for corpus, asked in queries.outside.queries.items()}
    threshold = conformal_threshold(calibrating, request.error)
    return Calibration(
        retriever=name.name,
        corpus=request.location.name,
        error=request.error,
        threshold=threshold,
        statistic=STATISTICS[judged.models[0].kind],
        model=judged.name,
        calibrated=len(calibrating),
        calibrated_on=queries.calibrated_on,
        measured_on=queries.measured_on,
        false=abstention(measuring, threshold),
        outside={corpus: abstention(found, threshold) for corpus, found in outside.items()},
        separation=separation(measuring, [score for found in outside.values() for score in found]),
        settings=_settings_of(name, retriever, queries, bench),
        git_revision=git_revision(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _settings_of(
    name: RetrieverName, retriever: DenseRetriever | Bm25Retriever, queries: _Queries, bench: Bench
) -> dict[str, Any]:
    cut = retriever.reader.manifest.plan.passages
    return {
        **bench.conditions(name),
        "depth": 1,
        "passages": "whole documents" if cut == WHOLE_DOCUMENTS else asdict(cut),
        "outside": {"sample": SAMPLE, "seed": SEED, "in_the_corpus_too": queries.outside.shared},
    }


def _served(found: Calibration, name: RetrieverName, manifest: Manifest) -> Threshold:
    """What searches go by: no threshold on a score that tells nothing."""
    threshold = found.threshold if found.separates else None
    digest = model_digest(name.models[0], manifest)
    return Threshold(threshold, found.error, found.calibrated, manifest.passages, digest)
