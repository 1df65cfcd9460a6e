"""Which score tells best whether a corpus answers a question: what `medsearch calibrate` judges, and others.

    python -m benchmarks.answer_scores

Asks each corpus of the suite medical-dev its own development questions and those that calibrating draws from
the others, so that no test split is looked at. A score is good where it separates the two (area under the ROC
curve), and where the threshold that refuses at most 5 % of the former refuses many of the latter. Questions
of one corpus may be much longer than those of the others, which a BM25 score notices too: the median number
of words is kept beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any

from benchmarks.record import keep
from medsearch.cli.terminal import TerminalProgress, show_table
from medsearch.corpora.catalogue import CorpusLocation, find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.abstention import abstention, conformal_threshold, separation
from medsearch.evaluation.measures import judged_queries
from medsearch.index.bm25 import Bm25Encoder
from medsearch.index.reader import open_index
from medsearch.protocols import Progress
from medsearch.search.abstention import STATISTICS, answer_scores
from medsearch.search.benchmark import Bench, BenchmarkRequest, open_bench
from medsearch.search.names import RetrieverName, models_of
from medsearch.search.query_vectors import remembering
from medsearch.search.retrievers import Bm25Retriever, DenseRetriever
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import ModelSpec, Query
from medsearch.workbench.looks import note_look
from medsearch.workbench.outside_queries import (
    DEFAULT_SUITE,
    SAMPLE,
    SEED,
    by_chance,
    find_others,
    outside_queries,
)
from medsearch.workbench.suites import SuiteTask, load_suite

RETRIEVERS = "minilm,bm25"
DEPTH = 10
ERROR = 0.05
FEWEST, MOST = 100, 300
"""Questions of a corpus: with fewer it is left out, of more as many are drawn."""

TOP, TOP_PER_WORD = "best score", "best score by word of the query"
GAP, MEAN = "best less tenth", "mean of the first ten"
AVERAGE = "mean of all"


@dataclass(frozen=True, slots=True)
class Separation:
    """How one score of one retriever does on one corpus, or on average over corpora; 0 to 1."""

    corpus: str
    retriever: str
    score: str
    area: float
    """Under the ROC curve: how often an answered question scores above one from outside."""
    refused: float
    """Share of the questions from outside that fall below the threshold."""
    in_use: bool
    """Whether it is what `medsearch calibrate` judges."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A corpus ready to search: questions that it answers, and questions of other corpora."""

    task: SuiteTask
    bench: Bench
    inside: Sequence[Query]
    outside: Sequence[Query]

    def compare(self, name: RetrieverName, progress: Progress) -> list[Separation]:
        """Every candidate score of one retriever, over the index that evaluations use."""
        [spec] = name.models
        folder = self.bench.folder(spec, progress)
        reader = open_index(folder)
        corpus, registry = self.bench.collection.name, self.bench.registry
        searcher = Searcher(corpus, reader, registry, self.bench.settings.cache)
        retriever = searcher.retriever(name, exact=True)
        assert isinstance(retriever, DenseRetriever | Bm25Retriever)  # RETRIEVERS names no hybrid
        if isinstance(retriever, DenseRetriever):
            texts = sorted({query.text for query in [*self.inside, *self.outside]})
            encoder = remembering(retriever.encoder, texts, folder / "queries", progress)
            retriever = DenseRetriever(reader, encoder, exact=True)
        inside = candidate_scores(retriever, self.inside)
        outside = candidate_scores(retriever, self.outside)
        reader.close()
        return [
            separated(
                (corpus, name.name, score), found, outside[score], in_use=score == STATISTICS[spec.kind]
            )
            for score, found in inside.items()
        ]


def candidate_scores(
    retriever: DenseRetriever | Bm25Retriever, queries: Sequence[Query]
) -> dict[str, list[float]]:
    """Score -> its value for each query, the one in use first; all are higher for better.

    A word of the query is a distinct token of the engine's: a stop word is none.
    """
    texts = [query.text for query in queries]
    found = [[point.score for point in points] for points in retriever.points(texts, k=DEPTH)]
    used, gaps = answer_scores(retriever, queries), [best_less_tenth(scores) for scores in found]
    if isinstance(retriever, DenseRetriever):
        means = [mean(scores) for scores in found]
        return {STATISTICS[retriever.encoder.spec.kind]: used, GAP: gaps, MEAN: means}
    spec = retriever.spec
    encoder = Bm25Encoder(spec, retriever.reader.manifest.average_length[spec.name])
    top = [scores[0] if scores else 0.0 for scores in found]
    words = [max(1, len(encoder.tokens(text))) for text in texts]
    by_word = [score / count for score, count in zip(top, words, strict=True)]
    return {STATISTICS[spec.kind]: used, TOP: top, TOP_PER_WORD: by_word, GAP: gaps}


def best_less_tenth(scores: Sequence[float]) -> float:
    """How far the first stands out; what is missing at the tenth place scores 0."""
    if not scores:
        return 0.0
    return scores[0] - (scores[DEPTH - 1] if len(scores) >= DEPTH else 0.0)


def separated(
    what: tuple[str, str, str], inside: Sequence[float], outside: Sequence[float], *, in_use: bool
) -> Separation:
    """`what` is corpus, retriever and score; all of `inside` make the threshold for `ERROR`."""
    refused = abstention(outside, conformal_threshold(inside, ERROR))
    return Separation(*what, round(separation(inside, outside), 4), round(refused.share, 4), in_use)


def averages(rows: Sequence[Separation]) -> list[Separation]:
    """The means over corpora of each retriever's scores, each corpus counting alike."""
    alike: dict[tuple[str, str, bool], list[Separation]] = {}
    for row in rows:
        alike.setdefault((row.retriever, row.score, row.in_use), []).append(row)
    return [
        Separation(
            AVERAGE,
            retriever,
            score,
            round(mean(row.area for row in those), 4),
            round(mean(row.refused for row in those), 4),
            in_use,
        )
        for (retriever, score, in_use), those in alike.items()
    ]


def study(
    names: Sequence[RetrieverName], settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> dict[str, Any]:
    """Compare the scores of each retriever on every corpus of the suite that is large enough.

    Raises:
        UsageError: if none is on this machine.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    suite = load_suite(DEFAULT_SUITE)
    rows: list[Separation] = []
    corpora: dict[str, dict[str, Any]] = {}
    for task, location in _tasks_here(settings):
        request = BenchmarkRequest(location, task.split, tuple(names))
        asked = _asked(task, open_bench(request, settings, registry, progress), settings, progress)
        if len(asked.inside) < FEWEST:
            progress.say(f"{task.name} left out: it has fewer than {FEWEST} judged questions")
            continue
        for name in names:
            note_look(task, name, suite, len(asked.inside), settings)
            rows += asked.compare(name, progress)
        corpora[task.name] = _described(asked)
    if not corpora:
        raise UsageError(f"no corpus of the suite {suite.name} with {FEWEST} questions is on this machine")
    return {
        "what": f"scores that tell the questions a corpus answers from others: area under the ROC curve, and "
        f"share of the others refused by the split-conformal threshold for an error of {ERROR:g}",
        "suite": suite.name,
        "sampled": {"of_each_corpus": MOST, "of_each_other_corpus": SAMPLE, "seed": SEED},
        "corpora": corpora,
        "model_revisions": {name.name: name.models[0].revision for name in names},
        "scores": [asdict(row) for row in [*rows, *averages(rows)]],
    }


def _tasks_here(settings: Settings) -> list[tuple[SuiteTask, CorpusLocation]]:
    found = []
    for task in load_suite(DEFAULT_SUITE).tasks:
        try:
            found.append((task, find_corpus(task.corpus, settings.data)))
        except UsageError:  # a suite's corpora need not be on this machine
            continue
    return found


def _asked(task: SuiteTask, bench: Bench, settings: Settings, progress: Progress) -> Asked:
    location = bench.request.location
    judged = set(judged_queries(bench.collection.qrels))
    inside = [query for query in bench.collection.queries if query.query_id in judged]
    drawn = sorted(inside, key=lambda query: by_chance(query, SEED))[:MOST]
    others = find_others((), location, settings)
    return Asked(task, bench, drawn, outside_queries(bench.collection, location, others, progress).all)


def _described(asked: Asked) -> dict[str, Any]:
    same = ("corpus_hash", "queries_hash", "qrels_hash", "passages", "search", "engine")
    return {
        "questions": len(asked.inside),
        "outside": len(asked.outside),
        "median_words": _median_words(asked.inside),
        "median_words_outside": _median_words(asked.outside),
        **{key: asked.bench.shared[key] for key in same},
    }


def _median_words(queries: Sequence[Query]) -> float:
    return float(median(len(query.text.split()) for query in queries))


def show(measured: Mapping[str, Any]) -> None:
    """The table: a row a corpus, retriever and score, the averages last; a star stands by what is in use."""
    of_corpus = {
        name.rpartition(":")[0]: (
            f"{found['questions']} / {found['outside']}",
            f"{found['median_words']:g} / {found['median_words_outside']:g}",
        )
        for name, found in measured["corpora"].items()
    }
    rows = []
    for each in (Separation(**fields) for fields in measured["scores"]):
        score = f"{each.score} *" if each.in_use else each.score
        cells = (each.corpus, *of_corpus.get(each.corpus, ("", "")), each.retriever, score)
        rows.append((*cells, f"{each.area:.3f}", f"{100 * each.refused:.1f} %"))
    headers = ["corpus", "asked", "median words", "retriever", "score", "area"]
    show_table(rows, [*headers, f"refused at {100 * ERROR:g} %"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, keep, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answer_scores",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        registry = load_registry(settings.models, cache=settings.cache)
        names, _ = models_of(RETRIEVERS, registry)
        measured = study(names, settings, registry, TerminalProgress())
    except MedsearchError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    keep("answer_scores", measured)
    show(measured)


if __name__ == "__main__":
    main()
