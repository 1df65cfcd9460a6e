"""Builds an index so that a stop at any moment loses seconds at most, and no reader ever sees half of one.

Passages are cut to a file, each model's vectors go to chunk files, and a shard is then written afresh from
both in a folder of its own. Replacing `manifest.json` switches it in.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from medsearch.errors import IndexRefusedError
from medsearch.index.assemble import Unfinished, assemble
from medsearch.index.manifest import (
    MANIFEST,
    Counts,
    Manifest,
    Plan,
    plan_differences,
    read_manifest,
    read_plan,
    write_json,
)
from medsearch.index.passage_file import read_counts, read_passages, write_counts, write_passages
from medsearch.index.vectors import encode_resumably
from medsearch.protocols import Encoder, Progress
from medsearch.types import ModelKind, Passage


@dataclass(frozen=True, slots=True)
class Material:
    """What a build is made from. `passages` cuts the corpus from its start at each call.

    `documents` is how many there are, as far as is known, for the progress bar; `rejects` says how many
    records were set aside once all passages were cut; `is_long` tells a passage over
    the limit; `encoder` loads a model by name, only for models whose vectors are not there yet; `text` is
    what is encoded for a passage.
    """

    passages: Callable[[], Iterator[Passage]]
    documents: Callable[[], int | None]
    rejects: Callable[[], int]
    is_long: Callable[[Passage], bool]
    text: Callable[[Passage], str]
    encoder: Callable[[str], Encoder]
    stamp: str


def build_index(
    folder: Path, plan: Plan, material: Material, progress: Progress, *, rebuild: bool = False
) -> Manifest:
    """Bring the index in `folder` to `plan`, going on where an earlier build stopped.

    Models that the index already has stay in it, and their vectors are not encoded again.

    Raises:
        IndexRefusedError: if another process is writing this index, or a finished one there was made with
            other settings and `rebuild` is false.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "writer.lock", timeout=0):
            return _build(folder, plan, material, progress, rebuild)
    except Timeout:
        raise IndexRefusedError(
            f"{folder} is being written by another process: wait for it, or stop it, then run this again"
        ) from None


def _build(folder: Path, plan: Plan, material: Material, progress: Progress, rebuild: bool) -> Manifest:
    made = _finished(folder, plan, rebuild)
    if made is not None:
        _clean(folder, made)
        if not set(plan.models) - set(made.plan.models):
            progress.say(f"the index of {plan.corpus} is up to date: {made.counts.passages:,} passages")
            return made
        plan = replace(plan, models={**made.plan.models, **plan.models})
    unfinished = Unfinished(folder, plan, made, material.text)
    _start_or_resume(unfinished, progress)
    encoders = _encoders(unfinished, material)
    counts = _cut(unfinished, material, progress)
    _encode(unfinished, counts, encoders, material, progress)
    manifest = assemble(unfinished, counts, material.stamp, progress)
    shutil.rmtree(unfinished.building)
    _clean(folder, manifest)
    return manifest


def _finished(folder: Path, plan: Plan, rebuild: bool) -> Manifest | None:
    """The index to extend; `None` where there is none or it is to be replaced."""
    if not (folder / MANIFEST).exists() or rebuild:
        return None
    made = read_manifest(folder)
    differences = plan_differences(made.plan, plan)
    if differences:
        raise IndexRefusedError(
            f"{folder} was made with other settings: {'; '.join(differences)}; "
            "add --rebuild to replace it (it serves searches until the new one is complete)"
        )
    return made


def _start_or_resume(unfinished: Unfinished, progress: Progress) -> None:
    """Keep what an earlier, unfinished build of the same plan left; drop what another plan left."""
    file = unfinished.building / "plan.json"
    before = read_plan(file)
    models = dict(unfinished.plan.models)
    if before is not None:
        differences = plan_differences(before, unfinished.plan)
        if differences:
            progress.say(f"an unfinished index with other settings is dropped: {'; '.join(differences)}")
            shutil.rmtree(unfinished.building)
        else:
            progress.say("going on with the unfinished index")
            models = {**before.models, **models}
    elif unfinished.building.exists():
        shutil.rmtree(unfinished.building)
    unfinished.building.mkdir(exist_ok=True)
    write_json(replace(unfinished.plan, models=models), file)


def _cut(unfinished: Unfinished, material: Material, progress: Progress) -> Counts:
    counts = read_counts(unfinished.counts_file)
    if counts is not None:
        return counts
    long_passages = 0

    def counted() -> Iterator[Passage]:
        nonlocal long_passages
        for passage in material.passages():
            long_passages += material.is_long(passage)
            yield passage

    with progress.stage("Reading and cutting documents", material.documents()) as advance:
        documents, passages = write_passages(counted(), unfinished.passages_file, advance)
    if not passages:
        raise IndexRefusedError(
            f"{unfinished.plan.corpus} has no document to index ({material.rejects()} records set aside)"
        )
    counts = Counts(documents, passages, material.rejects(), long_passages)
    write_counts(counts, unfinished.counts_file)
    return counts


def _encoders(unfinished: Unfinished, material: Material) -> dict[str, Encoder]:
    """The models that still have something to encode, loaded first: a missing one fails before long work."""
    kept = unfinished.made.plan.models if unfinished.made else {}
    counts = read_counts(unfinished.counts_file)
    return {
        name: material.encoder(name)
        for name, spec in unfinished.plan.models.items()
        if spec.kind is ModelKind.DENSE
        and name not in kept
        and (counts is None or unfinished.store(name).rows_done() < counts.passages)
    }


def _encode(
    unfinished: Unfinished,
    counts: Counts,
    encoders: Mapping[str, Encoder],
    material: Material,
    progress: Progress,
) -> None:
    for name, encoder in encoders.items():
        store = unfinished.store(name)
        texts = (material.text(passage) for passage in read_passages(unfinished.passages_file))
        with progress.stage(f"Encoding with {name}", counts.passages) as advance:
            encode_resumably(texts, encoder.encode_documents, store, advance)


def _clean(folder: Path, manifest: Manifest) -> None:
    """Remove shards that no manifest names: a replaced one, or one whose build stopped before the switch."""
    for shard in folder.glob("shard-*"):
        if shard.name != manifest.shard:
            shutil.rmtree(shard)
