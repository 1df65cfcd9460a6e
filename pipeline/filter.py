"""`filter`: keeps the generated queries that can teach a model something, and says why it drops the others.

Rows are taken in the order they were generated in, in blocks; each row is dropped by the first rule that it
fails. Every check of every row is kept beside the rows, so that other thresholds can be studied afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from hashlib import sha256
from itertools import islice
from typing import Any

from medsearch.encoders.registry import find_model, load_registry
from medsearch.protocols import Progress
from medsearch.search.names import BM25
from medsearch.settings import Settings
from pipeline.filters.checked_row import CheckedRow
from pipeline.filters.duplicates import Duplicates
from pipeline.filters.measure import Gauge, Measured
from pipeline.filters.rules import failures
from pipeline.journal import Journal, PlanChangedError, digest, open_journal, read_rows
from pipeline.pool_search import open_pool_search
from pipeline.prompting import load_prompt
from pipeline.recipe import FilterTable, Recipe
from pipeline.records import DroppedRow, GeneratedRow, PairRow, Row
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

BLOCK = 64
"""Rows a block: what a kill can cost, and how many queries are encoded at once."""

_RULES_VERSION = 1
"""To be raised when a check measures something else: what was filtered before is then filtered anew."""

_SHOWN = 16
"""Hexadecimal digits of a digest that are kept: people read them when something changed."""


def filter_run(
    run: RunFolder, recipe: Recipe, settings: Settings, progress: Progress, *, restart: bool = False
) -> Yield:
    """Filter what was generated for a run, going on where an earlier sitting stopped.

    Where the recipe, the models, the queries or the pool have changed since, the stage says so and begins
    anew: all it makes comes from them.

    Raises:
        MedsearchError: the run holds no queries or no pool, they do not fit together, or another process
            is filtering it.
        UsageError: the recipe's base model or a language is not known.
        ModelUnavailableError: the base model's weights are not on this machine.
    """
    examples = load_prompt(recipe.generate.prompt).example_texts()
    total = sum(1 for _ in read_rows(run.generated, GeneratedRow))
    plan = _plan(run, recipe, examples, settings)
    with ExitStack() as stack:
        journal = _open(stack, run, plan, progress, restart=restart)
        if journal.finished:
            progress.say(f"the queries of {run.name} are filtered already: there is nothing to do")
            return journal.total
        search = open_pool_search(run, recipe.filter.base_model, settings, progress)
        _go_on(journal, run, Gauge.of(recipe, search, examples, settings), total, progress)
        return journal.total


def _go_on(journal: Journal, run: RunFolder, gauge: Gauge, total: int, progress: Progress) -> None:
    """Filter the blocks that are not in the journal yet, to the last of `total` queries."""
    kept = _kept_before(run, gauge.recipe.filter, gauge)
    done = journal.total.taken
    if done:
        progress.say(f"going on after {done:,} of {total:,} queries")
    with progress.stage("Filtering queries", total) as advance:
        advance(done)
        for rows in _blocks(islice(read_rows(run.generated, GeneratedRow), done, None)):
            files, counted = _sift(gauge.measure(rows), kept, gauge)
            journal.commit(f"{journal.total.taken:08d}", files, counted)
            advance(len(rows))
    journal.finish()


def _plan(run: RunFolder, recipe: Recipe, examples: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Whatever decides what comes out."""
    registry = load_registry(settings.models, cache=settings.cache)
    return {
        "filter": recipe.filter.model_dump(mode="json"),
        "languages": list(recipe.generate.languages),
        "models": {
            name: asdict(find_model(name, registry)) | {"licence": ""}
            for name in (recipe.filter.base_model, BM25)
        },
        "the prompt's examples": sha256("\0".join(examples).encode()).hexdigest()[:_SHOWN],
        "the generated queries": digest(run.generated)[:_SHOWN],
        "the pool": digest(run.pool_file)[:_SHOWN],
        "rules": _RULES_VERSION,
    }


def _open(
    stack: ExitStack, run: RunFolder, plan: Mapping[str, Any], progress: Progress, *, restart: bool
) -> Journal:
    outputs = {"pairs": run.pairs, "dropped": run.dropped, "checks": run.checks}
    try:
        return stack.enter_context(open_journal(run.path, "filter", outputs, plan, restart=restart))
    except PlanChangedError as change:
        what = str(change).rpartition(": ")[0]
        progress.say(f"{what}; all queries are filtered anew")
        return stack.enter_context(open_journal(run.path, "filter", outputs, plan, restart=True))


def _kept_before(run: RunFolder, table: FilterTable, gauge: Gauge) -> Duplicates:
    """The queries that earlier sittings kept, for finding duplicates of them."""
    kept = Duplicates(table.duplicate_jaccard)
    for row in read_rows(run.pairs, PairRow):
        kept.add(gauge.words.read(row.query), row.kind)
    return kept


def _blocks(rows: Iterable[GeneratedRow]) -> Iterator[list[GeneratedRow]]:
    left = iter(rows)
    while block := list(islice(left, BLOCK)):
        yield block


def _sift(
    block: Sequence[Measured], kept: Duplicates, gauge: Gauge
) -> tuple[dict[str, Sequence[Row]], Yield]:
    """Decide on each row in turn; a query that is kept becomes one that later ones can repeat."""
    pairs: list[Row] = []
    dropped: list[Row] = []
    checked: list[Row] = []
    counted = Yield(taken=len(block))
    for each in block:
        each.checks.update(kept.measure(each.query, each.row.kind))
        failed = failures(each.checks, gauge.recipe.filter)
        checked.append(CheckedRow(row_id=each.row.row_id, failed=tuple(failed), checks=each.checks))
        if failed:
            rule, detail = next(iter(failed.items()))
            counted.dropped[rule] += 1
            dropped.append(_dropped(each.row, rule, detail))
        else:
            counted.kept += 1
            kept.add(each.query, each.row.kind)
            pairs.append(_pair(each, gauge))
        counted.seen.update(f"would fail alone: {rule}" for rule in failed)
    return {"pairs": pairs, "dropped": dropped, "checks": checked}, counted


def _dropped(row: GeneratedRow, rule: str, detail: str) -> DroppedRow:
    return DroppedRow(
        row_id=row.row_id, rule=rule, detail=detail, query=row.query, positive_id=row.passage_id
    )


def _pair(measured: Measured, gauge: Gauge) -> PairRow:
    row = measured.row
    return PairRow(
        row_id=row.row_id,
        query_id=row.row_id,
        query=row.query,
        kind=row.kind,
        positive_id=row.passage_id,
        positive=gauge.search.passages[measured.number].text,
        evidence=row.evidence,
        checks=measured.checks,
        source=row.source,
        llm=row.llm,
    )
