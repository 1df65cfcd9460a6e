"""The stage `mine`: gives every pair hard negatives and a side, train or dev; stopped, it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError
from medsearch.protocols import Progress
from medsearch.settings import Settings
from pipeline.journal import Journal, PlanChangedError, digest, open_journal, read_rows
from pipeline.mining.judgements import JUDGED
from pipeline.mining.miner import Mined, Miner, prepare
from pipeline.pool_search import open_pool_search
from pipeline.recipe import MineTable, Recipe
from pipeline.records import JudgedRow, PairRow, Row
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

UNIT = 64
"""Rows a unit: a second or two of work, which is all that a kill can cost."""

RULES = 2
"""Version of the way negatives are chosen; raised when the same input gives other triplets."""

NEGATIVES_BY = {JUDGED: "negatives judged not relevant"}
"""How the yield counts negatives that no search found."""


def mine_run(
    run: RunFolder, recipe: Recipe, settings: Settings, progress: Progress, *, restart: bool = False
) -> Yield:
    """Read `run.pairs`, the pool and, if there, `run.judged`; write `run.triplets` and `run.unmined`.

    Every row goes to one of them: to `run.unmined` where it has no negative, with the reason.
    Going on after a stop gives the very bytes that one sitting would have. Where pairs, pool, recipe or
    model have changed since, what was mined is replaced: it is all derived.

    Raises:
        MedsearchError: pairs or pool are missing or damaged, there is no pair or none of them was given a
            negative, or another process mines this run.
        UsageError: the recipe's base model is not a dense model of the registry.
        ModelUnavailableError: its weights are not on this machine.
    """
    rows = tuple(read_rows(run.pairs, PairRow))
    if not rows:
        raise MedsearchError(
            f"{run.pairs} holds no pair: see what `filter` or `convert` dropped, and why, and run it again "
            "with a recipe or a split that keeps some"
        )
    judged = tuple(read_rows(run.judged, JudgedRow)) if run.judged.exists() else ()
    job = _Job(run, recipe.mine, settings, progress, rows, judged)
    try:
        total = job.sitting(restart=restart)
    except PlanChangedError:
        progress.say(
            f"mining {run.name} anew: its pairs, judgements, pool, recipe or model, or the rules of mining, "
            "have changed since last time"
        )
        total = job.sitting(restart=True)
    if not total.kept:
        [(rule, count)] = total.dropped.most_common(1)
        raise MedsearchError(
            f"mine kept none of {total.taken:,} pairs: {rule} ({count:,}); each is in {run.unmined} with "
            "what was found: change the recipe's [mine] table or the pool"
        )
    return total


@dataclass(frozen=True, slots=True)
class _Job:
    """What is mined, and with what."""

    run: RunFolder
    table: MineTable
    settings: Settings
    progress: Progress
    rows: tuple[PairRow, ...]
    judged: tuple[JudgedRow, ...]

    def sitting(self, *, restart: bool) -> Yield:
        outputs = {"triplets": self.run.triplets, "unmined": self.run.unmined}
        with open_journal(self.run.path, "mine", outputs, self._plan(), restart=restart) as journal:
            if not journal.finished:
                self._work(journal)
            return journal.total

    def _plan(self) -> dict[str, Any]:
        registry = load_registry(self.settings.models, cache=self.settings.cache)
        spec = find_model(self.table.base_model, registry)
        return {
            "pairs": digest(self.run.pairs),
            "judged": digest(self.run.judged),
            "pool": digest(self.run.pool_file),
            "mine": self.table.model_dump(mode="json"),
            "model": {**asdict(spec), "licence": "", "parameters": dict(spec.parameters)},
            "unit": UNIT,
            "rules": RULES,
        }

    def _work(self, journal: Journal) -> None:
        search = open_pool_search(self.run, self.table.base_model, self.settings, self.progress)
        miner = prepare(self.rows, search, self.table, self.judged)
        self._say_what_hangs_together(miner)
        done = set(journal.units)
        with self.progress.stage(f"Mining negatives ({self.table.source})", len(self.rows)) as advance:
            for start in range(0, len(self.rows), UNIT):
                numbers = range(start, min(start + UNIT, len(self.rows)))
                if str(start) not in done:
                    mined = miner.mine(numbers)
                    rows: dict[str, Sequence[Row]] = {
                        "triplets": [each.triplet for each in mined if each.triplet],
                        "unmined": [each.unmined for each in mined if each.unmined],
                    }
                    journal.commit(str(start), rows, counted(mined, self.table))
                advance(len(numbers))
        journal.finish()

    def _say_what_hangs_together(self, miner: Miner) -> None:
        if 1 < len(self.rows) < 2 * miner.largest:
            self.progress.say(
                f"warning: {miner.largest:,} of {len(self.rows):,} rows hang together through shared "
                "questions, documents, groups or texts and go to one side: train and dev cannot be "
                "divided as the recipe asks"
            )


def counted(mined: Sequence[Mined], table: MineTable) -> Yield:
    """What these rows add to the yield: candidates by guard, short rows, negatives by what found them."""
    triplets = [each.triplet for each in mined if each.triplet]
    seen: Counter[str] = Counter()
    seen["candidates looked at"] = sum(each.looked_at for each in mined)
    for each in mined:
        seen.update({f"candidates left out: {rule}": count for rule, count in each.rejected.items()})
    for triplet in triplets:
        seen[f"rows in {triplet.split}"] += 1
        seen[f"rows with fewer than {table.negatives} negatives"] += len(triplet.negatives) < table.negatives
        seen.update(NEGATIVES_BY.get(source, f"negatives found by {source}") for source in triplet.found_by)
    return Yield(
        taken=len(mined),
        kept=len(triplets),
        dropped=Counter(each.unmined.rule for each in mined if each.unmined),
        seen=+seen,
    )
