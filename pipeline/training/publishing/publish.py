"""Writes the final model folder: weights, adapter, ONNX files, card, provenance, registry entry."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from medsearch.encoders.adapter_files import WEIGHTS
from medsearch.encoders.adapters import base_of
from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.verify import pinned_revision
from medsearch.errors import MedsearchError
from medsearch.evaluation.lineage import nearest, provenances_of
from medsearch.evaluation.provenance import Provenance, read_provenance, write_provenance
from medsearch.evaluation.training_facts import (
    ExportFacts,
    LengthFacts,
    read_training_facts,
    write_training_facts,
)
from medsearch.types import ModelKind
from medsearch.workbench.cards.first_card import FirstCard, first_card
from pipeline.journal import digest
from pipeline.training.choosing.candidates import ADAPTER, WEIGHTS_FILE
from pipeline.training.choosing.select import Selected
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.publishing.adapter_entry import has_adapter, write_adapter_entry
from pipeline.training.publishing.late_export import late_export_facts, write_late_export
from pipeline.training.publishing.parity import export_facts
from pipeline.training.publishing.quantise import write_exports
from pipeline.training.publishing.training_record import provenance_record, training_facts
from pipeline.training.registry_entry import REGISTRY, entry_text

CARD = "README.md"


def publish(job: TrainingJob, trained: Trained, selected: Selected) -> Path:
    """Write the folder `model` of the run and return it; there is the old one or the new one, never half.

    A folder that was made of the same weights by the same recipe and selection is left as it is.
    A late-interaction model's entry pins its projection too, by the digest of its folder's files.

    Raises:
        MedsearchError: the model cannot be exported, or something cannot be written.
        UsageError: a corpus of the suite that it was chosen on is gone.
    """
    if _is_published(job, trained, selected):
        return job.folder.model
    draft = job.folder.path / "model.draft"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(selected.folder, draft)
    spec = replace(selected.spec, source=f"path:{draft}")
    exports, lengths = tuple[ExportFacts, ...](), tuple[LengthFacts, ...]()
    job.progress.say("exporting to ONNX, and comparing with torch")
    if spec.kind is ModelKind.DENSE:
        write_exports(spec, draft)
        exports, lengths = export_facts(job, spec, draft)
    else:
        write_late_export(spec, draft)
        exports = late_export_facts(job, spec, draft)
        spec = replace(spec, revision=pinned_revision(spec.revision, draft))
    facts = training_facts(job, trained, selected, exports, lengths)
    sha256 = digest(draft / WEIGHTS_FILE)
    registry = load_registry(job.settings.models, cache=job.settings.cache)
    of_base = nearest(provenances_of(asdict(find_model(job.recipe.base, registry))))
    record = provenance_record(job, trained, selected, weights_sha256=sha256)
    provenance = record.model_copy(update={"of_base": of_base})
    lowest = (base_of(selected.base) or selected.base).name
    _write_provenances(provenance, lowest, draft)
    write_adapter_entry(spec, lowest, draft, job.folder.model)
    write_training_facts(facts, draft)
    source = f"path:{job.folder.model.absolute()}"
    (draft / REGISTRY).write_text(entry_text(spec, source, sha256=sha256), encoding="utf-8")
    card = FirstCard(replace(spec, source=source, sha256=sha256), provenance, facts, registry)
    (draft / CARD).write_text(first_card(card), encoding="utf-8")
    return _switch_in(draft, job.folder.model)


def _write_provenances(provenance: Provenance, lowest: str, draft: Path) -> None:
    """The model's, and its adapter's, whose folder is shipped alone and says itself what it was chosen on.

    The adapter's names the model that it changes, which is `lowest` where the base is an adapter itself.
    """
    write_provenance(provenance, draft)
    if (draft / ADAPTER / WEIGHTS).is_file():
        of_adapter = digest(draft / ADAPTER / WEIGHTS)
        changes = {"weights_sha256": of_adapter, "base": lowest}
        write_provenance(provenance.model_copy(update=changes), draft / ADAPTER)


def _is_published(job: TrainingJob, trained: Trained, selected: Selected) -> bool:
    """Whether the folder there is what would be made; one that is damaged is not."""
    try:
        facts, provenance = read_training_facts(job.folder.model), read_provenance(job.folder.model)
    except MedsearchError:
        return False
    entry = job.folder.model / ADAPTER / REGISTRY
    whole = entry.is_file() or not has_adapter(job.recipe.kind, job.folder.model)
    return (
        whole
        and facts is not None
        and provenance is not None
        and provenance.weights_sha256 == digest(selected.folder / WEIGHTS_FILE)
        and facts.recipe == job.recipe.model_dump(mode="json")
        and (facts.steps, facts.selection, facts.guard) == (trained.steps, selected.facts, selected.guard)
    )


def _switch_in(draft: Path, folder: Path) -> Path:
    """Put the draft in the folder's place; a kill between the two renames leaves the old one beside it."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder
