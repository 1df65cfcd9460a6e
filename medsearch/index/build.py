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
from medsearch.index.assemble import Source, Unfinished, assemble, check_room
from medsearch.index.manifest import (
    MANIFEST,
    Counts,
    Manifest,
    Plan,
    model_differences,
    plan_differences,
    read_manifest,
    read_plan,
    rebuild_command,
    write_json,
)
from medsearch.index.passage_file import digest_of, read_passages, write_counts, write_passages
from medsearch.index.reader import open_index
from medsearch.index.vectors import encode_resumably
from medsearch.protocols import Encoder, Progress, TokenEncoder
from medsearch.types import ModelKind, Passage


@dataclass(frozen=True, slots=True)
class Material:
    """What a build is made from. `passages` cuts the corpus from its start at each call.

    `documents` is how many there are, as far as is known, for the progress bar; `cut` tells, once all
    passages were cut, how many records were set aside and how many passages are over the limit; `encoder`
    loads a model by name, only for models whose vectors are not there yet; `text` is what is encoded for a
    passage.
    """

    passages: Callable[[], Iterator[Passage]]
    documents: Callable[[], int | None]
    cut: Callable[[], CutReport]
    text: Callable[[Passage], str]
    encoder: Callable[[str], Encoder | TokenEncoder]
    source: Source


@dataclass(frozen=True, slots=True)
class CutReport:
    """What happened while documents were read and cut; `remarks` are oddities that lost no record."""

    rejects: int
    long_passages: int
    remarks: tuple[str, ...] = ()


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
    made = _present(folder, progress, rebuild=rebuild)
    if made is not None and rebuild:
        dropped = sorted(set(made.plan.models) - set(plan.models))
        if dropped:
            progress.say(f"the new index will not have {', '.join(dropped)}, which the present one has")
        made = None
    if made is not None:
        _refuse_other_settings(folder, made, plan)
        plan = replace(plan, models={**made.plan.models, **plan.models})
    unfinished = Unfinished(folder, plan, made, material.text)
    if made is not None and set(plan.models) == set(made.plan.models):
        made = _with_source(folder, made, material.source)
        _remove_finished_parts(unfinished)
        progress.say(f"the index of {plan.corpus} is up to date: {made.counts.passages:,} passages")
        return made
    counts = _start_or_resume(unfinished, progress)
    encoders = _encoders(unfinished, counts, material)
    counts = counts or _cut(unfinished, material, progress)
    _refuse_other_passages(unfinished)
    check_room(unfinished, counts)
    _encode(unfinished, counts, encoders, progress)
    manifest = assemble(unfinished, counts, material.source, progress)
    _remove_finished_parts(unfinished)
    _remove_other_shards(folder, manifest)
    return manifest


def _present(folder: Path, progress: Progress, *, rebuild: bool) -> Manifest | None:
    """The finished index of this folder, its leftovers removed; an unreadable one gives way to a rebuild."""
    made = None
    if (folder / MANIFEST).exists():
        try:
            made = read_manifest(folder)
        except IndexRefusedError as error:
            if not rebuild:
                raise
            progress.say(f"replacing an index that cannot be read: {error}")
            return None  # its shard stays until the new one is complete
    _remove_other_shards(folder, made)
    return made


def _with_source(folder: Path, made: Manifest, source: Source) -> Manifest:
    """The manifest with where the corpus lies now, so that a moved or touched one is not hashed each time."""
    now = replace(made, path=source.path, stamp=source.stamp)
    if now != made:
        write_json(now, folder / MANIFEST)
    return now


def _refuse_other_settings(folder: Path, made: Manifest, plan: Plan) -> None:
    """An index can only be extended by one of the same settings, and only if it can still be read."""
    differences = plan_differences(made.plan, plan)
    if differences:
        raise IndexRefusedError(
            f"{folder} was made with other settings: {'; '.join(differences)}; "
            "add --rebuild to replace it (it serves searches until the new one is complete)"
        )
    open_index(folder).close()


def _start_or_resume(unfinished: Unfinished, progress: Progress) -> Counts | None:
    """Keep what an earlier, unfinished build of the same plan left and is whole; drop the rest.

    Returns the counts of the passages where they are all there.
    """
    building, plan = unfinished.building, unfinished.plan
    before = read_plan(building / "plan.json")
    models = dict(plan.models)
    if before is not None:
        differences = plan_differences(replace(before, models={}), replace(plan, models={}))
        if differences:
            progress.say(f"an unfinished index with other settings is dropped: {'; '.join(differences)}")
            shutil.rmtree(building)
        else:
            progress.say("going on with the unfinished index")
            _drop_changed_models(unfinished, before, progress)
            models = {**before.models, **models}
    elif building.exists():
        progress.say(f"an unfinished index that cannot be read is dropped: {building}")
        shutil.rmtree(building)
    building.mkdir(exist_ok=True)
    write_json(replace(plan, models=models), building / "plan.json")
    counts = unfinished.counts()
    if counts is None:
        # Without whole passages nothing says which text a vector belongs to.
        shutil.rmtree(building / "vectors", ignore_errors=True)
        return None
    for name, spec in plan.models.items():
        unfinished.store(name).drop_damaged(counts.passages, spec.dim)
    return counts


def _drop_changed_models(unfinished: Unfinished, before: Plan, progress: Progress) -> None:
    for name, spec in unfinished.plan.models.items():
        differences = list(model_differences(before.models[name], spec)) if name in before.models else []
        if differences:
            progress.say(f"unfinished vectors of {name} are dropped: {'; '.join(differences)}")
            shutil.rmtree(unfinished.store(name).folder, ignore_errors=True)


def _refuse_other_passages(unfinished: Unfinished) -> None:
    """The vectors of an index can only be kept beside the very passages that they were made from."""
    made = unfinished.made
    if made is not None and digest_of(unfinished.passages_file) != made.passages:
        shutil.rmtree(unfinished.building)
        raise IndexRefusedError(
            f"{unfinished.folder}: the corpus is cut into other passages now than when its index was made; "
            f"make it again with `{rebuild_command(unfinished.plan)}`"
        )


def _remove_finished_parts(unfinished: Unfinished) -> None:
    """Remove what is in the finished index now; vectors of further models that a wider build left stay."""
    before = read_plan(unfinished.building / "plan.json")
    if before is None or set(before.models) <= set(unfinished.plan.models):
        shutil.rmtree(unfinished.building, ignore_errors=True)
        return
    for name in unfinished.plan.models:
        shutil.rmtree(unfinished.store(name).folder, ignore_errors=True)


def _cut(unfinished: Unfinished, material: Material, progress: Progress) -> Counts:
    with progress.stage("Reading and cutting documents", material.documents()) as advance:
        documents, passages = write_passages(material.passages(), unfinished.passages_file, advance)
    report = material.cut()
    for remark in report.remarks:
        progress.say(f"note: {remark}")
    if not passages:
        raise IndexRefusedError(
            f"{unfinished.plan.corpus} has no document to index ({report.rejects} records set aside)"
        )
    counts = Counts(documents, passages, report.rejects, report.long_passages)
    write_counts(counts, unfinished.passages_file, unfinished.counts_file)
    return counts


def _encoders(
    unfinished: Unfinished, counts: Counts | None, material: Material
) -> dict[str, Encoder | TokenEncoder]:
    """The models that still have something to encode, loaded first: a missing one fails before long work."""
    kept = unfinished.made.plan.models if unfinished.made else {}
    return {
        name: material.encoder(name)
        for name, spec in unfinished.plan.models.items()
        if spec.kind is not ModelKind.SPARSE
        and name not in kept
        and (counts is None or not unfinished.store(name).is_whole(counts.passages))
    }


def _encode(
    unfinished: Unfinished,
    counts: Counts,
    encoders: Mapping[str, Encoder | TokenEncoder],
    progress: Progress,
) -> None:
    for name, encoder in encoders.items():
        texts = (unfinished.text(passage) for passage in read_passages(unfinished.passages_file))
        with progress.stage(f"Encoding with {name}", counts.passages) as advance:
            encode_resumably(texts, encoder.encode_documents, unfinished.store(name), advance)


def _remove_other_shards(folder: Path, manifest: Manifest | None) -> None:
    """Remove shards that no manifest names: a replaced one, or one whose build stopped before the switch."""
    for shard in folder.glob("shard-*"):
        if manifest is None or shard.name != manifest.shard:
            shutil.rmtree(shard)
