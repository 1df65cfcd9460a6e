"""`report`: the triplets of one or more runs become a data set with a card and a page to read by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.errors import MedsearchError, UsageError
from medsearch.protocols import Progress
from pipeline.journal import read_rows
from pipeline.records import PairRow, Split, TripletRow
from pipeline.report.card import card
from pipeline.report.facts import Facts, RunFacts
from pipeline.report.faults import warnings_of
from pipeline.report.freshness import refuse_stale
from pipeline.report.languages import languages_of
from pipeline.report.page import Evidence, sample_page
from pipeline.report.parquet import triplet_files
from pipeline.report.recipes import recipes_of
from pipeline.report.sample import Sampled, Sampler
from pipeline.report.sources import read_sources
from pipeline.report.stages import read_stages, read_yield
from pipeline.report.tally import Tally
from pipeline.run_folder import RunFolder

CARD, PAGE, DATA = "README.md", "sample.html", "data"


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What was written where. `warnings` must be settled before the data set is used or passed on."""

    folder: Path
    rows: dict[Split, int]
    sampled: int
    warnings: tuple[str, ...]


def write_report(
    runs: Sequence[RunFolder], folder: Path, progress: Progress, *, seed: int = 13, into: str = ""
) -> ReportSummary:
    """Write `data/{train,dev}.parquet`, `README.md` and `sample.html` into the folder.

    Rows are read one at a time and come out in the order of the runs. `seed` chooses the rows of the page
    and the card's examples; equal runs and seed give equal files. `into` is what the card's command says of
    the folder; empty for the one that is taken where none is named.

    Raises:
        UsageError: no run is named, or one twice.
        MedsearchError: a run has no triplets, they were mined from other pairs than it has now, or its
            files are damaged or do not fit together.
    """
    _check(runs)
    tally, sampler = Tally(), Sampler(seed)
    with triplet_files(folder / DATA) as files:
        for run in runs:
            with progress.stage(f"triplets of {run.name}", _expected(run)) as step:
                for row in read_rows(run.triplets, TripletRow):
                    files.add(run.name, row)
                    tally.add(run.name, row)
                    sampler.offer(run.name, row)
                    step(1)
        sources = read_sources(runs, tally.used)
    sample = sampler.rows()
    facts = Facts(
        name=", ".join(run.name for run in runs),
        seed=seed,
        runs=[RunFacts(run.name, read_stages(run), recipes_of(run)) for run in runs],
        tally=tally,
        sources=sources,
        sample=sample,
        languages=languages_of(sampled.row.positive for sampled in sample),
        into=into,
    )
    _replace(folder / PAGE, sample_page(facts, _evidence(runs, facts.sample)))
    _replace(folder / CARD, card(facts))
    return ReportSummary(folder, dict(tally.rows), len(facts.sample), tuple(warnings_of(facts)))


def _check(runs: Sequence[RunFolder]) -> None:
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise UsageError("name one or more runs, each once")
    for run in runs:
        if not run.triplets.is_file() or not run.triplets.stat().st_size:
            raise MedsearchError(
                f"run {run.name} has no triplets ({run.triplets} is missing or empty): "
                f"make them with `python -m pipeline mine --run {run.name}`"
            )
        refuse_stale(run)


def _expected(run: RunFolder) -> int | None:
    """How many triplets the run says it has."""
    counted = read_yield(run, "mine")
    return None if counted is None else counted.kept


def _evidence(runs: Sequence[RunFolder], sample: Sequence[Sampled]) -> Evidence:
    """The evidence of the sampled rows, from the runs' pairs where they are still there."""
    wanted = {(sampled.run, sampled.row.row_id) for sampled in sample}
    return {
        (run.name, row.row_id): row.evidence
        for run in runs
        if run.pairs.is_file()
        for row in read_rows(run.pairs, PairRow)
        if row.evidence and (run.name, row.row_id) in wanted
    }


def _replace(target: Path, text: str) -> None:
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
