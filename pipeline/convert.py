"""`convert`: a corpus that people have judged becomes the pool and the pairs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsearch.corpora.beir import find_plain_or_gzip, find_splits, read_qrels
from medsearch.corpora.catalogue import CorpusLocation, fingerprint, read_queries, splits
from medsearch.corpora.provenance import read_source_file
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, MedsearchError, UsageError
from medsearch.protocols import Progress
from medsearch.types import Qrels
from pipeline.held_out import hold_out
from pipeline.journal import digest, open_journal
from pipeline.judged_pairs import JudgedPairs, JudgedSplit, judged_pairs
from pipeline.judged_pool import PoolRequest, write_pool
from pipeline.judged_splits import lowest_relevant, training_split
from pipeline.records import Row, Split
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

STAGE = "convert"
REJECTS = "convert.rejects.jsonl"
"""In the run's folder: records of the corpus that could not be read, each with its place and reason."""

_RULES = 2
"""Version of what is held out and kept; raised when the same corpus gives other files."""


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
    or has the same words or nearly so, is neither a positive nor in the pool. Judgements below the relevant
    grade go to `run.judged`. Stopped at any moment and run again, it begins anew and ends with the same
    files.

    Raises:
        UsageError: the split is not one to train on, or not there; the run was not made by `convert`.
        MedsearchError: no pair is left, the run was begun with other settings, or is being written.
        CorpusError: if `strict` and a record is bad; the corpus cannot be read at all; or it cannot be told
            what another split judges, so that nothing is written.
    """
    location = request.location
    name, split = training_split(request.split, location.name, splits(location))
    lowest_relevant(request.min_grade, ())  # refuses an impossible grade before anything is touched
    _refuse_other_runs(run, restart)
    licence = request.licence.strip() or _stated_licence(location)
    chosen = _read_judgements(request, name, split, licence)
    plan = _plan(chosen)
    anew = restart or not run.pool_file.is_file()
    outputs = {"pairs": run.pairs, "judged": run.judged}
    with open_journal(run.path, STAGE, outputs, plan, restart=anew) as journal:
        if journal.units:
            progress.say(f"{location.name} ({name}) is already converted: {run.pairs}")
        else:
            rows, counted = _convert(chosen, run, progress)
            journal.commit(name, rows, counted)
        journal.finish()
        return journal.total


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A request with all that was found out before anything is written. `others` are the other splits."""

    request: ConvertRequest
    name: str
    split: Split
    licence: str
    min_grade: int
    others: Sequence[Qrels]


def _read_judgements(request: ConvertRequest, name: str, split: Split, licence: str) -> _Chosen:
    files = find_splits(request.location.path)
    own = read_qrels(files.pop(name), Rejects())
    others = [_read_whole(other, path) for other, path in files.items()]
    return _Chosen(request, name, split, licence, lowest_relevant(request.min_grade, [own, *others]), others)


def _read_whole(split: str, file: Path) -> Qrels:
    """The judgements of another split: a line missed there would let its query and document in here."""
    try:
        return read_qrels(file, Rejects(strict=True))
    except CorpusError as error:
        raise CorpusError(
            f"{error}; what split {split!r} judges must be known in full, so that it can be held out: mend "
            "the file, or take it away if it is not one of judgements"
        ) from None


def _refuse_other_runs(run: RunFolder, restart: bool) -> None:
    """Opening the journal empties the pairs, which must never be those of another stage."""
    others = [file for file in (run.notes, run.generated, run.dropped) if file.exists()]
    if not restart and not (run.path / f"{STAGE}.journal.jsonl").exists():
        others += [file for file in (run.pairs, run.judged, run.pool_file) if file.exists()]
    if others:
        raise UsageError(
            f"run {run.name} was not made by convert (it has {others[0].name}): name another with --run"
        )


def _stated_licence(location: CorpusLocation) -> str:
    """What the download said; empty for a corpus that was not downloaded by medsearch."""
    return str((read_source_file(location.path) or {}).get("licence") or "")


def _plan(chosen: _Chosen) -> dict[str, object]:
    location = chosen.request.location
    queries = find_plain_or_gzip(location.path, "queries.jsonl")
    return {
        "corpus": location.name,
        "split": chosen.name,
        "min_grade": chosen.min_grade,
        "licence": chosen.licence,
        "documents": fingerprint(location),
        "queries": digest(queries) if queries else "",
        "judgements": {name: digest(path) for name, path in find_splits(location.path).items()},
        "rules": _RULES,
    }


def _convert(chosen: _Chosen, run: RunFolder, progress: Progress) -> tuple[dict[str, Sequence[Row]], Yield]:
    location = chosen.request.location
    rejects = Rejects(run.path / REJECTS, strict=chosen.request.strict)
    qrels = read_qrels(find_splits(location.path)[chosen.name], rejects)
    queries = {query.query_id: query for query in read_queries(location, rejects)}
    # Documents are read twice, so that a large corpus need not fit in memory; bad ones are counted once.
    held_out = hold_out(location, chosen.others)
    judged = JudgedSplit(chosen.split, qrels, chosen.min_grade, queries, held_out)
    request = PoolRequest(location, chosen.licence, held_out, judged.judged_ids(), judged.relevant_ids())
    pool = write_pool(request, run.pool_file, rejects, progress)
    found = judged_pairs(judged, pool)
    counted = found.counted
    if not found.pairs:
        run.pool_file.unlink()
        reasons = ", ".join(f"{why}: {count:,}" for why, count in counted.dropped.most_common())
        raise MedsearchError(
            f"{location.name} ({chosen.name}) gives no pair at all ({reasons or 'nothing is judged'})"
        )
    counted.seen.update(pool.seen)
    if rejects.count:
        counted.seen["records of the corpus set aside"] = rejects.count
    _say(chosen, found, rejects, progress)
    return {"pairs": found.pairs, "judged": found.below}, counted


def _say(chosen: _Chosen, found: JudgedPairs, rejects: Rejects, progress: Progress) -> None:
    if rejects.count:
        progress.say(
            f"{rejects.count:,} bad records set aside, each with its place and reason: {rejects.file}"
        )
    name = chosen.request.location.name
    progress.say(f"{name} ({chosen.name}): grades from {chosen.min_grade} on count as relevant")
    if unlicensed := sum(not row.source.licence for row in found.pairs):
        progress.say(
            f"no licence is known for {unlicensed:,} of {len(found.pairs):,} pairs: say it with --licence, "
            "or find it out before the data set is given to anyone"
        )
