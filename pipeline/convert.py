"""`convert`: a corpus that people have judged becomes the pool and the pairs of a run."""

from __future__ import annotations

from dataclasses import dataclass

from medsearch.corpora.beir import find_plain_or_gzip, find_splits, read_qrels
from medsearch.corpora.catalogue import CorpusLocation, fingerprint, read_documents, read_queries, splits
from medsearch.corpora.provenance import read_source_file
from medsearch.corpora.rejects import Rejects
from medsearch.errors import MedsearchError, UsageError
from medsearch.protocols import Progress
from pipeline.held_out import hold_out
from pipeline.journal import digest, open_journal
from pipeline.judged_pairs import JudgedSplit, judged_pairs
from pipeline.judged_pool import PoolRequest, write_pool
from pipeline.judged_splits import lowest_relevant, training_split
from pipeline.records import PairRow, Split
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

STAGE = "convert"
REJECTS = "convert.rejects.jsonl"
"""In the run's folder: records of the corpus that could not be read, each with its place and reason."""


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """What to convert and how.

    `min_grade` is the lowest grade that is relevant; `None` takes 2 where the corpus's grades reach 3, else
    1. `licence` is for documents that name none. `strict` stops at the first bad record.
    """

    location: CorpusLocation
    split: str
    min_grade: int | None = None
    licence: str = ""
    strict: bool = False


def convert_corpus(
    request: ConvertRequest, run: RunFolder, progress: Progress, *, restart: bool = False
) -> Yield:
    """Write the run's pool and pairs from one split of a judged corpus; nothing of other splits gets in.

    Documents are kept whole. One that is judged in another split, has the group of anything judged there,
    or has the same words, is neither a positive nor in the pool. Stopped at any moment and run again, it
    begins anew and ends with the same files.

    Raises:
        UsageError: the split is not one to train on, or not there; the run was not made by `convert`.
        MedsearchError: no pair is left, the run was begun with other settings, or is being written.
        CorpusError: if `strict` and a record is bad, or the corpus cannot be read at all.
    """
    location = request.location
    name, split = training_split(request.split, location.name, splits(location))
    lowest_relevant(request.min_grade, ())  # refuses an impossible grade before anything is touched
    _refuse_other_runs(run, restart)
    licence = request.licence.strip() or _stated_licence(location)
    plan = _plan(request, name, licence)
    anew = restart or not run.pool_file.is_file()
    with open_journal(run.path, STAGE, {"pairs": run.pairs}, plan, restart=anew) as journal:
        if journal.units:
            progress.say(f"{location.name} ({name}) is already converted: {run.pairs}")
        else:
            rows, counted = _convert(request, (name, split, licence), run, progress)
            journal.commit(name, {"pairs": rows}, counted)
        journal.finish()
        return journal.total


def _refuse_other_runs(run: RunFolder, restart: bool) -> None:
    """Opening the journal empties the pairs, which must never be those of another stage."""
    others = [file for file in (run.notes, run.generated, run.dropped) if file.exists()]
    if not restart and not (run.path / f"{STAGE}.journal.jsonl").exists():
        others += [file for file in (run.pairs, run.pool_file) if file.exists()]
    if others:
        raise UsageError(
            f"run {run.name} was not made by convert (it has {others[0].name}): name another with --run"
        )


def _stated_licence(location: CorpusLocation) -> str:
    """What the download said; empty for a corpus that was not downloaded by medsearch."""
    return str((read_source_file(location.path) or {}).get("licence") or "")


def _plan(request: ConvertRequest, split: str, licence: str) -> dict[str, object]:
    location = request.location
    queries = find_plain_or_gzip(location.path, "queries.jsonl")
    return {
        "corpus": location.name,
        "split": split,
        "min_grade": request.min_grade,
        "licence": licence,
        "documents": fingerprint(location),
        "queries": digest(queries) if queries else "",
        "judgements": {name: digest(path) for name, path in find_splits(location.path).items()},
    }


def _convert(
    request: ConvertRequest, chosen: tuple[str, Split, str], run: RunFolder, progress: Progress
) -> tuple[list[PairRow], Yield]:
    location, (name, split, licence) = request.location, chosen
    rejects = Rejects(run.path / REJECTS, strict=request.strict)
    qrels = {each: read_qrels(path, rejects) for each, path in find_splits(location.path).items()}
    queries = {query.query_id: query for query in read_queries(location, rejects)}
    min_grade = lowest_relevant(request.min_grade, qrels.values())
    others = [judged for each, judged in qrels.items() if each != name]
    # Documents are read twice, so that a large corpus need not fit in memory; bad ones are counted once.
    held_out = hold_out(others, queries.values(), read_documents(location, Rejects()) if others else ())
    judged = JudgedSplit(split, qrels[name], min_grade, queries, held_out)
    pool = write_pool(
        PoolRequest(location, licence, held_out, judged.relevant_ids()), run.pool_file, rejects, progress
    )
    rows, counted = judged_pairs(judged, pool.relevant, pool.left_out)
    if not rows:
        run.pool_file.unlink()
        reasons = ", ".join(f"{why}: {count:,}" for why, count in counted.dropped.most_common())
        raise MedsearchError(
            f"{location.name} ({name}) gives no pair at all ({reasons or 'nothing is judged'})"
        )
    counted.seen.update(pool.seen)
    if rejects.count:
        counted.seen["records of the corpus set aside"] = rejects.count
        progress.say(
            f"{rejects.count:,} bad records set aside, each with its place and reason: {rejects.file}"
        )
    progress.say(f"{location.name} ({name}): grades from {min_grade} on count as relevant")
    if unlicensed := sum(not row.source.licence for row in rows):
        progress.say(
            f"no licence is known for {unlicensed:,} of {len(rows):,} pairs: say it with --licence, or find "
            "it out before the data set is given to anyone"
        )
    return rows, counted
