"""Trains one variant and scores it: the repository's own training and choosing, without what is published."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsearch.evaluation.evaluate import query_keys
from medsearch.protocols import Progress
from medsearch.types import Collection, Query
from pipeline.ablation.shorter import Cutter, Lengths
from pipeline.ablation.variants import PlannedRun
from pipeline.settings import PipelineSettings
from pipeline.train import TrainRequest, begun_job, train_model_of
from pipeline.training.panel.task import PanelTask

QueryScores = Mapping[str, Mapping[str, float]]
"""task -> query_id -> nDCG@10 in [0, 1]."""

_BASE_FILE = "base.json"
_BASE_CUT = "base-cut.json"


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of one run: rows of each source, what training measured, and scores by query.

    `base` are the base's scores on the same panel, `documents` how many each task has, `keys` those of
    `shared_queries`. `cut` and `base_cut` are means over tasks by the length that vectors are cut to, where
    that was asked for.
    """

    run: PlannedRun
    rows: Mapping[str, int]
    facts: Mapping[str, object]
    base: QueryScores
    dev: QueryScores
    documents: Mapping[str, int]
    keys: Mapping[str, Mapping[str, str]]
    cut: Mapping[int, float] = field(default_factory=dict)
    base_cut: Mapping[int, float] = field(default_factory=dict)


def train_and_score(
    run: PlannedRun, settings: PipelineSettings, progress: Progress, lengths: Lengths = ()
) -> Scored:
    """Train a variant, or go on with it, and score its candidate on the dev panel; what is there is not made.

    Its vectors and the base's are scored cut to `lengths` too. There is no dev curve: nothing is chosen by it
    here. The base's scores are made by the first variant and lent to the others; they are used where weights
    and panel are the same.

    Raises:
        UsageError: as `pipeline.train.train_run`.
        MedsearchError: as there.
    """
    from pipeline.training.choosing.select import BASE, select
    from pipeline.training.panel.scoring import Scores

    folder = run.folder
    folder.path.mkdir(parents=True, exist_ok=True)
    job = begun_job(TrainRequest(run.recipe, folder.name), folder, settings, progress)
    trained = train_model_of(replace(job, panel=()))
    shared, own = folder.path.parent / _BASE_FILE, folder.candidates / f"{BASE}.json"
    _lend(shared, own)
    selected = select(job, trained)
    _lend(own, shared)
    base, tuned = (
        Scores.model_validate_json((folder.candidates / f"{name}.json").read_bytes())
        for name in (BASE, selected.candidate.name)
    )
    cutter = Cutter(lengths, job.panel, settings.search, progress)
    cut = cutter.means(selected.spec, tuned.key, folder.candidates / f"{selected.candidate.name}-cut.json")
    base_cut = cutter.means(selected.base, base.key, folder.path.parent / _BASE_CUT)
    shutil.rmtree(selected.folder)  # a model folder that nobody asked for: its checkpoint is there
    return Scored(
        run=run,
        rows={source.name: len(source.rows) for source in job.sources},
        facts=trained.facts,
        base=base.dev,
        dev=tuned.dev,
        documents={task.name: len(task.documents) for task in job.panel},
        keys={task.name: _keys(task) for task in job.panel},
        cut=cut,
        base_cut=base_cut,
    )


def _lend(file: Path, target: Path) -> None:
    if file.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        shutil.copyfile(file, partial)
        partial.replace(target)


def _keys(task: PanelTask) -> dict[str, str]:
    queries = tuple(Query(query_id, text) for query_id, text in task.queries.items())
    return query_keys(Collection(task.name, "", (), queries, task.qrels), task.queries)
