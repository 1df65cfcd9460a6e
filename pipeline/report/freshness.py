"""Whether the rows of a run still belong together: a stage done again leaves what later ones made behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsearch.errors import MedsearchError
from pipeline.journal import digest
from pipeline.report.stages import read_stage
from pipeline.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class _Input:
    """What a stage read: the file, the key of its digest in the stage's plan, and how people call it."""

    stage: str
    key: str
    file: Path
    what: str


def refuse_stale(run: RunFolder) -> None:
    """Make sure that the stages read the files that are there now, by the digests in their plans.

    A file that is gone tells nothing, nor does a stage without a journal.

    Raises:
        MedsearchError: the triplets were mined from other pairs, judgements or passages than those there now,
            or the pairs were filtered from other queries; a journal is damaged.
    """
    for each in (
        _Input("filter", "the generated queries", run.generated, "queries"),
        _Input("mine", "pairs", run.pairs, "pairs"),
        _Input("mine", "judged", run.judged, "judgements"),
        _Input("mine", "pool", run.pool_file, "passages"),
    ):
        record = read_stage(run, each.stage)
        planned = record.plan.get(each.key) if record else None
        if isinstance(planned, str) and each.file.is_file() and not _is_of(each.file, planned):
            made = {"filter": "pairs were filtered", "mine": "triplets were mined"}[each.stage]
            raise MedsearchError(
                f"the {made} from other {each.what} than run {run.name} has now: run {each.stage} again "
                f"(`python -m pipeline {each.stage} --run {run.name}`)"
            )


def _is_of(file: Path, planned: str) -> bool:
    """A plan may hold only the beginning of a digest; an empty one is of a file that was not there."""
    return bool(planned) and digest(file).startswith(planned)
