"""Several retrievers on one test collection at once, as tests ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsearch.evaluation.evaluate import Evaluation
from medsearch.protocols import Progress
from medsearch.search.benchmark import BenchmarkRequest, open_bench
from medsearch.settings import Settings
from medsearch.types import ModelSpec


def run_benchmark(
    request: BenchmarkRequest, settings: Settings, registry: Mapping[str, ModelSpec], progress: Progress
) -> tuple[dict[str, Any], list[Evaluation]]:
    """Evaluate each retriever; returns the result record and the evaluations with their runs.

    Vectors are kept, so that a second evaluation of the same model and corpus only searches.

    Raises:
        UsageError: if the split does not exist, or none of its queries has a relevant document.
        MedsearchError: if `trec_files` and an id holds white space.
    """
    bench = open_bench(request, settings, registry, progress)
    evaluations = [bench.score(name, progress) for name in request.retrievers]
    return bench.record(evaluations, request.retrievers), evaluations
