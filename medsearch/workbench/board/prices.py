"""What a retriever costs, taken together over several tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from medsearch.evaluation.results import TaskResult


@dataclass(frozen=True, slots=True)
class CostField:
    """One figure of `TaskResult.cost`: how it is headed, written, and taken together over tasks."""

    title: str
    unit: str
    form: str
    over_tasks: str
    together: Callable[[Sequence[float]], float]

    def written(self, value: float) -> str:
        """The figure without its unit; a small one keeps two digits that count."""
        return f"{value:{self.form}}" if value >= 1 else f"{value:.2g}"


COSTS: Mapping[str, CostField] = {
    "documents_per_second": CostField("indexing", "docs/s", ",.0f", "median", median),
    "query_ms_p50": CostField("query p50", "ms", ",.1f", "median", median),
    "query_ms_p99": CostField("query p99", "ms", ",.1f", "highest", max),
    "index_bytes_per_document": CostField("index", "bytes/doc", ",.0f", "median", median),
    "peak_memory_mib": CostField("peak memory", "MiB", ",.0f", "highest", max),
}
"""The figures in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of a retriever over tasks: field of `COSTS` -> value, taken together as the field says.

    `tasks` of its tasks were measured, on `machines`.
    """

    figures: Mapping[str, float]
    tasks: int
    machines: frozenset[str]


def price_of(results: Sequence[TaskResult]) -> Price | None:
    """The price over these results; `None` where nothing was measured."""
    measured = [costs_of(result.cost) for result in results]
    columns = {key: [costs[key] for costs in measured if key in costs] for key in COSTS}
    figures = {key: float(COSTS[key].together(values)) for key, values in columns.items() if values}
    if not figures:
        return None
    machines = frozenset(str(result.cost["machine"]) for result in results if "machine" in result.cost)
    return Price(figures, sum(map(bool, measured)), machines)


def costs_of(cost: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one result that were measured."""
    return {
        key: float(cost[key])
        for key in COSTS
        if isinstance(cost.get(key), int | float) and not isinstance(cost[key], bool)
    }
