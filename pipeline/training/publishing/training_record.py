"""What is written down of a trained model: its provenance and all that was measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from medsearch.corpora.lines import open_plain_or_gzip
from medsearch.encoders.adapter_files import WEIGHTS
from medsearch.evaluation.evaluate import git_revision
from medsearch.evaluation.provenance import Provenance, Selection, TrainingData
from medsearch.evaluation.training_facts import DataFacts, ExportFacts, LengthFacts, TrainingFacts
from medsearch.workbench.selection import selection_tasks
from medsearch.workbench.suites import load_suite
from pipeline.journal import digest
from pipeline.training.choosing.candidates import ADAPTER, WEIGHTS_FILE
from pipeline.training.choosing.select import Selected, candidates_compared
from pipeline.training.job import REVISION, Trained, TrainingJob, TrainingSource


def provenance_record(
    job: TrainingJob, trained: Trained, selected: Selected, *, weights_sha256: str
) -> Provenance:
    """The provenance of the weights with this SHA-256; `created` is now.

    The revision is the one that training began at; for an older run, which has not kept it, the present one.
    """
    begun = trained.facts.get(REVISION)
    table = job.recipe.select
    suite = load_suite(table.suite)
    return Provenance(
        model=job.recipe.name,
        base=job.recipe.base,
        family=selected.spec.family,
        recipe=job.recipe_name or job.folder.name,
        data=tuple(
            TrainingData(name=each.name, file=each.file.name, sha256=each.sha256, rows=len(each.rows))
            for each in job.sources
        ),
        selection=Selection(
            suite=suite.name,
            tasks=selection_tasks(suite, job.settings),
            candidates=candidates_compared(job, selected.spec.family),
            measure="nDCG@10",
            rule=selected.facts.rule,
        ),
        git_revision=git_revision() if begun is None else str(begun),
        created=datetime.now(UTC).replace(microsecond=0),
        weights_sha256=weights_sha256,
    )


def training_facts(
    job: TrainingJob,
    trained: Trained,
    selected: Selected,
    exports: Sequence[ExportFacts],
    lengths: Sequence[LengthFacts],
) -> TrainingFacts:
    """All that was measured, as `training.json` has it; it names the weights that it speaks of."""
    return TrainingFacts(
        model=job.recipe.name,
        kind=str(job.recipe.kind),
        recipe=job.recipe.model_dump(mode="json"),
        steps=trained.steps,
        data=tuple(_data(source) for source in job.sources),
        training=_plain(dict(trained.facts)),
        selection=selected.facts,
        guard=selected.guard,
        lengths=tuple(lengths),
        exports=tuple(exports),
        weights_sha256=digest(selected.folder / WEIGHTS_FILE),
        adapter_sha256=digest(selected.folder / ADAPTER / WEIGHTS),
    )


def _data(source: TrainingSource) -> DataFacts:
    """Licences are counted over all of the file's rows, used or not, "" where one states none."""
    licences: Counter[str] = Counter()
    with open_plain_or_gzip(source.file) as lines:
        for line in lines:
            licences[_licence(line)] += bool(line.strip())
    return DataFacts(
        name=source.name, rows=len(source.rows), weight=source.weight, licences=dict(licences.most_common())
    )


def _licence(line: bytes) -> str:
    """What a row states; "" where it states none, or cannot be read: training has set it aside."""
    try:
        source = json.loads(line)["source"]
        return str(source.get("licence", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _plain(facts: dict[str, object]) -> dict[str, Any]:
    """As JSON gives it back; what JSON has no word for stands as text."""
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain
