"""Random, BM25, dense and mixed negatives: how hard they are, what the guards stop, how many are false.

    python -m benchmarks.negatives RUN [RUN ...] [--rows 2000]

Takes a run's pairs, pool and recipe; every source fills the same rows. How many negatives are false is
measured where a question has several right passages: half of them are hidden from the guards, and those
that end up among the negatives are counted. It has no dev part, so that no passage is out of reach.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, quantiles
from typing import Any

from benchmarks.record import keep
from medsearch.cli.terminal import TerminalProgress, show_table
from medsearch.protocols import Progress
from pipeline.journal import read_rows
from pipeline.mine import UNIT
from pipeline.mining.guards import Rule
from pipeline.mining.miner import Mined, Miner, prepare
from pipeline.mining.questions import question_of_each
from pipeline.pool_search import PoolSearch, open_pool_search
from pipeline.recipe import MineTable, NegativeSource
from pipeline.records import JudgedRow, PairRow
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings

NO_SCORE_GUARDS = {"max_score_ratio": 1e9, "min_margin": -1e9}
"""No score is so near the right answer's that these stop it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The rows of one run that negatives are mined for under every source.

    Of `judged` only what is partly right belongs here: what is not would come first under every source.
    """

    search: PoolSearch
    rows: Sequence[PairRow]
    table: MineTable
    limit: int
    progress: Progress
    judged: Sequence[JudgedRow] = ()

    def mine(self, miner: Miner, numbers: Sequence[int], changes: Mapping[str, Any]) -> list[Mined]:
        """What comes of these rows under a recipe with these changes."""
        table = self.table.model_copy(update=dict(changes))  # unchecked: the margin may be below zero
        changed = replace(
            miner, finder=replace(miner.finder, table=table), guards=replace(miner.guards, table=table)
        )
        mined = []
        with self.progress.stage(f"Mining ({table.source})", len(numbers)) as advance:
            for start in range(0, len(numbers), UNIT):
                mined += changed.mine(numbers[start : start + UNIT])
                advance(len(numbers[start : start + UNIT]))
        return mined


def compare(compared: Compared) -> dict[str, Any]:
    """Scores, margins, what the guards stopped, and how far the sources agree."""
    miner = prepare(compared.rows, compared.search, compared.table, compared.judged)
    numbers = spread([n for n, side in enumerate(miner.sides) if side], compared.limit)
    mined = {source: compared.mine(miner, numbers, {"source": source}) for source in NegativeSource}
    return {
        "rows": len(numbers),
        "sources": {source: facts(each, compared.table) for source, each in mined.items()},
        "shared_negatives": shared(mined),
    }


def spread(numbers: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of them, evenly spaced."""
    step = max(1.0, len(numbers) / limit)
    return [numbers[int(place * step)] for place in range(int(len(numbers) / step))]


def facts(mined: Sequence[Mined], table: MineTable) -> dict[str, Any]:
    """What can be said of one source's negatives; rejections are shares of the candidates looked at."""
    triplets = [each.triplet for each in mined if each.triplet]
    scores = [score for row in triplets for score in row.negative_scores]
    margins = [row.positive_score - score for row in triplets for score in row.negative_scores]
    looked_at = sum(each.looked_at for each in mined)
    rejected: Counter[Rule] = sum((each.rejected for each in mined), Counter())
    return {
        "negatives": len(scores),
        "rows_without_negatives": len(mined) - len(triplets),
        "rows_with_fewer": sum(len(row.negatives) < table.negatives for row in triplets),
        "score": spread_of(scores),
        "margin": spread_of(margins),
        "candidates": looked_at,
        "rejected": {rule: round(rejected[rule] / max(looked_at, 1), 4) for rule in Rule},
    }


def spread_of(values: Sequence[float]) -> dict[str, float]:
    """Mean and quartiles; empty for fewer than two values."""
    if len(values) < 2:
        return {}
    low, middle, high = quantiles(values, n=4)
    named = {"mean": mean(values), "q1": low, "median": middle, "q3": high}
    return {name: round(value, 4) for name, value in named.items()}


def shared(mined: Mapping[NegativeSource, Sequence[Mined]]) -> dict[str, float]:
    """Of the negatives that two sources chose for the same rows, the share that both chose (Jaccard)."""
    chosen = {
        source: {(t.row_id, name) for each in rows if (t := each.triplet) for name in t.negative_ids}
        for source, rows in mined.items()
    }
    sources = list(chosen)
    return {
        f"{a} and {b}": round(len(chosen[a] & chosen[b]) / max(len(chosen[a] | chosen[b]), 1), 4)
        for place, a in enumerate(sources)
        for b in sources[place + 1 :]
    }


def hidden_positives(compared: Compared) -> dict[str, Any]:
    """How many right passages become negatives when the guards know only half of them."""
    open_rows = [row.model_copy(update={"split": None}) for row in compared.rows]
    present = [row for row in open_rows if row.positive_id in compared.search.number_of]
    known, hidden = halves(present, compared.table.duplicate_jaccard)
    if not hidden:
        return {"rows": 0}
    one_side = replace(compared, table=compared.table.model_copy(update={"dev_share": 0.0}))
    miner = prepare(known, compared.search, one_side.table, compared.judged)
    numbers = spread([n for n, row in enumerate(known) if row.row_id in hidden], compared.limit)
    right = {known[n].row_id: hidden[known[n].row_id] for n in numbers}
    measured: dict[str, Any] = {
        "rows": len(numbers),
        "hidden": sum(len(each) for each in right.values()),
    }
    for source in NegativeSource:
        measured[source] = {
            name: false_negatives(one_side.mine(miner, numbers, {"source": source, **changes}), right)
            for name, changes in (("all guards", {}), ("without score guards", NO_SCORE_GUARDS))
        }
    return measured


def halves(rows: Sequence[PairRow], threshold: float) -> tuple[list[PairRow], dict[str, frozenset[str]]]:
    """Rows that stay known, and for those whose question has hidden right passages, their ids."""
    asked: dict[int, list[PairRow]] = {}
    for row, question in zip(rows, question_of_each(rows, threshold), strict=True):
        asked.setdefault(question, []).append(row)
    known: list[PairRow] = []
    hidden: dict[str, frozenset[str]] = {}
    for same in asked.values():
        passages = sorted({row.positive_id for row in same})
        kept = [row for row in same if row.positive_id in passages[::2]]
        known += kept
        if len(passages) > 1:
            hidden |= {row.row_id: frozenset(passages[1::2]) for row in kept}
    return known, hidden


def false_negatives(mined: Sequence[Mined], right: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """How many negatives are hidden right passages, as counts and as a share of all negatives."""
    triplets = [each.triplet for each in mined if each.triplet]
    negatives = sum(len(row.negatives) for row in triplets)
    false = sum(name in right[row.row_id] for row in triplets for name in row.negative_ids)
    rows = sum(any(name in right[row.row_id] for name in row.negative_ids) for row in triplets)
    return {
        "negatives": negatives,
        "false": false,
        "false_share": round(false / max(negatives, 1), 4),
        "rows_with_a_false_one": rows,
    }


def show(measured: Mapping[str, Any]) -> None:
    """Tables of what was measured."""
    sources = measured["sources"]
    what = ("negatives", "rows_without_negatives", "rows_with_fewer", "candidates")
    rows = [(name, *(f"{facts[name]:,}" for facts in sources.values())) for name in what]
    for name in ("score", "margin"):
        for part in ("mean", "q1", "median", "q3"):
            rows.append((f"{name}, {part}", *(f"{f[name].get(part, 0):.3f}" for f in sources.values())))
    rows += [
        (f"stopped: {rule}", *(f"{100 * f['rejected'][rule]:.1f} %" for f in sources.values()))
        for rule in Rule
    ]
    if measured["hidden_positives"]["rows"]:
        for guards in ("all guards", "without score guards"):
            found = [measured["hidden_positives"][source][guards] for source in sources]
            rows.append((f"false negatives, {guards}", *(f"{100 * f['false_share']:.2f} %" for f in found)))
    show_table(rows, [measured["run"], *sources])
    show_table(
        [(pair, f"{100 * s:.1f} %") for pair, s in measured["shared_negatives"].items()], ["shared", ""]
    )


def measure(run: RunFolder, settings: PipelineSettings, limit: int) -> dict[str, Any]:
    """All of it for one run."""
    table = run.recipe(None).mine
    progress = TerminalProgress()
    search = open_pool_search(run, table.base_model, settings.search, progress)
    rows = list(read_rows(run.pairs, PairRow))
    judged = read_rows(run.judged, JudgedRow) if run.judged.exists() else ()
    partly = [row for row in judged if row.grade > 0]
    compared = Compared(search, rows, table, limit, progress, partly)
    return {
        "what": "negatives by source: dot products of the mining encoder, guards, and false negatives",
        "run": run.name,
        "pairs": len(rows),
        "passages": len(search.passages),
        "recipe": table.model_dump(mode="json"),
        "model_revision": search.encoder.spec.revision,
        **compare(compared),
        "hidden_positives": hidden_positives(compared),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the sources on each run, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.negatives")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="name of a run that has pairs")
    parser.add_argument("--rows", type=int, default=2000, help="at most so many rows a comparison")
    options = parser.parse_args(arguments)
    settings = PipelineSettings.from_environment()
    for name in options.runs:
        measured = measure(open_run(name, settings.runs), settings, options.rows)
        keep(f"negatives_{name.replace('/', '-')}", measured)
        show(measured)


if __name__ == "__main__":
    main()
