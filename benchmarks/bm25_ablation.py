"""Why one BM25 scores another than the next: the same collection under other word rules and constants.

    python -m benchmarks.bm25_ablation [CORPUS] [SPLIT]

Prints nDCG@10 for each variant, and the queries that stemming helps and hurts most.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass

from benchmarks.record import keep
from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.measures import judged_queries, mean_scores, per_query_scores
from medsearch.ranking import ranked
from medsearch.settings import Settings
from medsearch.types import Collection, Run

DEPTH = 1000


@dataclass(frozen=True, slots=True)
class Variant:
    """Constants and word rules of one BM25."""

    k1: float
    b: float
    stemming: bool = True
    stop_words: bool = True
    """Whether stop words are left out."""

    @property
    def name(self) -> str:
        """A short description."""
        stems = "stemmed" if self.stemming else "not stemmed"
        return f"k1 {self.k1}, b {self.b}, {stems}, stop words {'left out' if self.stop_words else 'kept'}"


VARIANTS = (
    Variant(1.2, 0.75),
    Variant(0.9, 0.4),
    Variant(1.2, 0.75, stemming=False),
    Variant(0.9, 0.4, stemming=False),
    Variant(0.9, 0.4, stemming=False, stop_words=False),
)


def bm25_run(collection: Collection, variant: Variant) -> Run:
    """Exact BM25 over whole documents, in plain Python, with the engine's tokeniser.

    Robertson & Zaragoza 2009; the inverse document frequency is ln(1 + (N - n + 0.5) / (n + 0.5)).
    """
    tokens = _tokeniser(variant)
    documents = {d.doc_id: tokens(document_text(d)) for d in collection.documents}
    average = sum(sum(counts.values()) for counts in documents.values()) / len(documents)
    postings: dict[int, dict[str, float]] = defaultdict(dict)
    for doc_id, counts in documents.items():
        length = variant.k1 * (1 - variant.b + variant.b * sum(counts.values()) / average)
        for token, count in counts.items():
            postings[token][doc_id] = count * (variant.k1 + 1) / (count + length)
    judged = set(judged_queries(collection.qrels))
    run: dict[str, dict[str, float]] = {}
    for query in collection.queries:
        if query.query_id not in judged:
            continue
        scores: Counter[str] = Counter()
        for token in tokens(query.text):
            found = postings.get(token, {})
            idf = math.log(1 + (len(documents) - len(found) + 0.5) / (len(found) + 0.5))
            for doc_id, weight in found.items():
                scores[doc_id] += idf * weight  # type: ignore[assignment]  # a Counter may hold floats
        run[query.query_id] = dict(ranked(scores)[:DEPTH])
    return run


def _tokeniser(variant: Variant):  # type: ignore[no-untyped-def]  # returns a local function
    from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet

    stemmer = None if variant.stemming else DisabledStemmer()
    stop_words = None if variant.stop_words else StopwordsSet(languages=set(), custom=set())
    model = Bm25(
        Bm25Config(k=1.0, b=0.0, avg_len=1.0, language="english", stemmer=stemmer, stopwords=stop_words)
    )

    def tokens(text: str) -> Counter[int]:
        vector = model.embed_document(text)
        counts = (round(weight / (2.0 - weight)) for weight in vector.values)
        return Counter(dict(zip(vector.indices, counts, strict=True)))

    return tokens


def main(corpus: str = "sample", split: str = "test") -> None:
    """Score every variant, and show where stemming makes the difference."""
    settings = Settings.from_environment()
    collection = load_collection(find_corpus(corpus, settings.data), split, Rejects())
    scores = {v.name: per_query_scores(collection.qrels, bm25_run(collection, v)) for v in VARIANTS}
    stemmed, plain = scores[VARIANTS[1].name], scores[VARIANTS[3].name]
    gains = sorted((stemmed[q]["nDCG@10"] - plain[q]["nDCG@10"], q) for q in stemmed)
    texts = {query.query_id: query.text for query in collection.queries}
    keep(
        f"bm25_ablation_{corpus.replace('/', '--')}",
        {
            "what": f"nDCG@10 times 100 of exact BM25 on {corpus} ({split}), {len(stemmed)} queries",
            "nDCG@10": {name: round(100 * mean_scores(s)["nDCG@10"], 1) for name, s in scores.items()},
            "queries_better_stemmed": sum(gain > 0 for gain, _ in gains),
            "queries_worse_stemmed": sum(gain < 0 for gain, _ in gains),
            "most_helped_by_stemming": [q for _, q in reversed(gains[-3:])],
            "most_hurt_by_stemming": [q for _, q in gains[:3]],
        },
    )
    for gain, query_id in [*reversed(gains[-3:]), *gains[:3]]:
        print(f"{100 * gain:+6.1f}  {query_id}: {texts[query_id]}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:3])
