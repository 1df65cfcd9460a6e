"""Runs retrievers over the stress pairs: all passages are one small corpus, searched as any other is.

The passages of all pairs, whichever categories are asked for, make up the corpus, each indexed whole. Every
query ranks all of it exactly, and a pair is judged by the two scores (`evaluation/stress.py`). A hybrid fuses
the first `FUSION_DEPTH` of each ranking, as it always does: of a pair that is outside both, neither is found.
A reranker changes the order of the first `RERANK_DEPTH` of what it reranks, and of no others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from medsearch.corpora.locations import CorpusFormat, CorpusLocation
from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.stress import Outcome, Scores, StressCard, judge_all
from medsearch.evaluation.stress_pairs import StressPair, StressSet, check_categories
from medsearch.index.manifest import Manifest, replace_file
from medsearch.index.reader import open_index
from medsearch.protocols import Progress, Retriever
from medsearch.search.conditions import BACKEND, DTYPE, retriever_conditions
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import RetrieverName
from medsearch.search.reranking import assemble
from medsearch.search.retrievers import PointRetriever
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, ModelSpec, Query

CORPUS = "stress"
_BLOCK = 128


def run_stress(
    stress: StressSet,
    retrievers: Sequence[RetrieverName],
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    progress: Progress,
    categories: Collection[str] = (),
) -> list[StressCard]:
    """A card for each retriever, on the pairs of `categories` (empty: of all).

    Raises:
        UsageError: if the set lacks one of the categories.
        ModelUnavailableError: if a model's weights are not on this machine.
    """
    check_categories(categories, stress)
    pairs = [pair for pair in stress.pairs if not categories or pair.category in categories]
    location = _corpus(stress, settings)
    parts: dict[tuple[str, str], tuple[PointRetriever, Manifest]] = {}
    for spec in (spec for name in retrievers for spec in name.models):
        if _key(spec) not in parts:
            parts[_key(spec)] = _open(spec, location, settings, registry, progress)
    cards = []
    for name in retrievers:
        retriever = assemble(name, lambda spec: parts[_key(spec)][0])
        _, manifest = parts[_key(name.models[0])]
        scores: dict[str, Scores] = {}
        with progress.stage(f"Searching with {name.name}", len(pairs)) as advance:
            for start in range(0, len(pairs), _BLOCK):
                block = pairs[start : start + _BLOCK]
                scores.update(_scores(block, retriever, depth=2 * len(stress.pairs)))
                advance(len(block))
        cards.append(
            _card(
                name,
                judge_all(pairs, scores),
                _settings_of(stress, manifest) | retriever_conditions(name, registry),
            )
        )
    return cards


def _corpus(stress: StressSet, settings: Settings) -> CorpusLocation:
    """All passages as a BEIR folder of the cache, named by their content."""
    texts = dict.fromkeys(text for pair in stress.pairs for text in (pair.right, pair.wrong))
    rows = [json.dumps({"_id": _doc_id(text), "text": text}, ensure_ascii=False) + "\n" for text in texts]
    content = "".join(rows).encode("utf-8")
    folder = settings.cache / CORPUS / sha256(content).hexdigest()[:12]
    if not (folder / "corpus.jsonl").exists():
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "corpus.jsonl", content)
    return CorpusLocation(CORPUS, folder, CorpusFormat.BEIR)


def _doc_id(text: str) -> str:
    """An id that says nothing of right and wrong: rankings order equal scores by id before they are fused."""
    return sha256(text.encode("utf-8")).hexdigest()[:16]


def _key(spec: ModelSpec) -> tuple[str, str]:
    """One model with and without its query prompt is two."""
    return spec.name, spec.query_prompt


def _open(
    spec: ModelSpec,
    location: CorpusLocation,
    settings: Settings,
    registry: Mapping[str, ModelSpec],
    progress: Progress,
) -> tuple[PointRetriever, Manifest]:
    request = IndexRequest(location, (spec,), WHOLE_DOCUMENTS)
    folder, manifest = evaluation_index(request, settings, registry, progress)
    searcher = Searcher(location.name, open_index(folder), registry, settings.cache)
    return searcher.retriever(RetrieverName(spec.name, (spec,)), exact=True), manifest


def _scores(pairs: Sequence[StressPair], retriever: Retriever, *, depth: int) -> dict[str, Scores]:
    """Pair id -> scores of the right and the wrong passage among all; `None` where one is not found."""
    run = retriever.retrieve([Query(pair.pair_id, pair.query) for pair in pairs], k=depth)
    return {
        pair.pair_id: (
            run[pair.pair_id].get(_doc_id(pair.right)),
            run[pair.pair_id].get(_doc_id(pair.wrong)),
        )
        for pair in pairs
    }


def _card(
    name: RetrieverName, outcomes: Mapping[str, Mapping[str, Outcome]], settings: Mapping[str, Any]
) -> StressCard:
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return StressCard(name.name, outcomes, settings, git_revision(), made)


def _settings_of(stress: StressSet, manifest: Manifest) -> dict[str, Any]:
    return {
        "data_hash": stress.data_hash,
        "corpus_hash": manifest.plan.corpus_hash,
        "documents": manifest.counts.documents,
        "passages": "whole documents",
        "search": "exact",
        "backend": BACKEND,
        "dtype": DTYPE,
        "engine": manifest.engine,
    }
