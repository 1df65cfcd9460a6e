"""The rows of an ablation's table: means by task, and what lies between a row and the one beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medsearch.evaluation.task_means import mean_over_tasks
from medsearch.evaluation.verdicts import (
    JudgedComparison,
    PairedComparison,
    compare_means,
    comparison_record,
    with_holm,
)
from pipeline.ablation.table import BASE, VariantTable
from pipeline.ablation.trained import QueryScores, Scored


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `rows` are the training rows of each source, `means` nDCG@10 by task, over all seeds.

    `beside` are the rows that it was compared with; `of_seeds` is the mean over tasks of each seed by itself;
    `cut` is that mean by the length that vectors are cut to, where that was asked for.
    """

    name: str
    description: str
    on: str
    rows: Mapping[str, int]
    means: Mapping[str, float]
    mean: float
    of_seeds: tuple[float, ...] = ()
    seconds: float = 0.0
    beside: Mapping[str, JudgedComparison] = field(default_factory=dict)
    cut: Mapping[int, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "variant": self.name,
            "description": self.description,
            "on": self.on,
            "training_rows": sum(self.rows.values()),
            "sources": dict(self.rows),
            "ndcg_at_10": dict(self.means),
            "mean": self.mean,
            "mean_of_seeds": list(self.of_seeds),
            "training_seconds": self.seconds,
            "mean_when_cut_to": {str(length): mean for length, mean in self.cut.items()},
            "beside": {name: comparison_record(judged) for name, judged in self.beside.items()},
        }


def rows_of(variants: Sequence[VariantTable], scored: Sequence[Scored], base: str) -> tuple[Row, ...]:
    """The untrained base and then each variant, all compared with the base and with what they stand on.

    Scores of several seeds are averaged query by query. All comparisons of the table are one family for
    Holm's correction. A row that a variant stands on and that is not among `variants` is not compared with.
    """
    of = {each.name: [one for one in scored if one.run.variant == each.name] for each in variants}
    dev = {BASE: scored[0].base} | {name: _mean_of_seeds(runs) for name, runs in of.items()}
    pairs = [(each.name, BASE) for each in variants]
    pairs += [(each.name, each.on) for each in variants if each.on in of]
    keys = scored[0].keys
    judged = with_holm({(name, other): _compared(dev[other], dev[name], keys) for name, other in pairs})
    rows = [
        Row(
            name=base,
            description="the base as it is, not trained",
            on="",
            rows={},
            means=_means(dev[BASE]),
            mean=mean_over_tasks(dev[BASE]),
            cut=next((each.base_cut for each in scored if each.base_cut), {}),
        )
    ]
    rows += [
        Row(
            name=each.name,
            description=each.description,
            on=each.on,
            rows=of[each.name][0].rows,
            means=_means(dev[each.name]),
            mean=mean_over_tasks(dev[each.name]),
            of_seeds=tuple(mean_over_tasks(one.dev) for one in of[each.name]),
            seconds=sum(_number(one.facts.get("seconds")) for one in of[each.name]),
            beside={other: found for (name, other), found in judged.items() if name == each.name},
            cut=_cut_of_seeds(of[each.name]),
        )
        for each in variants
    ]
    return tuple(rows)


def _compared(a: QueryScores, b: QueryScores, keys: Mapping[str, Mapping[str, str]]) -> PairedComparison:
    return compare_means({task: (a[task], b[task]) for task in a}, keys=keys)


def _mean_of_seeds(runs: Sequence[Scored]) -> QueryScores:
    return {
        task: {query: sum(run.dev[task][query] for run in runs) / len(runs) for query in scores}
        for task, scores in runs[0].dev.items()
    }


def _cut_of_seeds(runs: Sequence[Scored]) -> dict[int, float]:
    return {length: sum(run.cut[length] for run in runs) / len(runs) for length in runs[0].cut}


def _means(scores: QueryScores) -> dict[str, float]:
    return {task: sum(found.values()) / len(found) for task, found in scores.items()}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
