"""What an index was made from and with; a mismatch is refused with the difference named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from medsearch.errors import IndexRefusedError, first_fault
from medsearch.types import NOT_OF_DOCUMENT_VECTORS, ModelSpec, PassageSettings

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What determines an index's content: two equal plans give the same index.

    `cutting` is the version of the rules that documents are cut by.
    """

    corpus: str
    corpus_hash: str
    passages: PassageSettings
    models: Mapping[str, ModelSpec]
    cutting: int
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Counts:
    """How much went in: `rejects` are records set aside, `long_passages` single sentences over the limit."""

    documents: int
    passages: int
    rejects: int
    long_passages: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json` of a finished index.

    `shard` is the engine's folder beside it; `average_length` is in tokens, for each BM25 model; `passages`
    is the SHA-256 of the cut passages, `content` one over them and all vectors; `path` is where the corpus
    lay, and `stamp` a cheap mark of its files (names, sizes, times).
    """

    plan: Plan
    counts: Counts
    shard: str
    average_length: Mapping[str, float]
    passages: str
    content: str
    path: str
    stamp: str
    engine: str
    created: str


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the index in `folder`.

    Raises:
        IndexRefusedError: if there is none, or it is not a manifest of this format.
    """
    from pydantic import TypeAdapter, ValidationError

    file = folder / MANIFEST
    try:
        manifest = TypeAdapter(Manifest).validate_json(file.read_bytes())
    except FileNotFoundError:
        raise IndexRefusedError(f"no index at {folder}: run `medsearch index CORPUS` first") from None
    except ValidationError as error:
        raise IndexRefusedError(
            f"{file}: not a readable manifest ({first_fault(error)}); "
            "make the index again with `medsearch index CORPUS --rebuild`"
        ) from None
    if manifest.plan.format != FORMAT:
        raise IndexRefusedError(
            f"{file}: index format {manifest.plan.format}, this medsearch reads {FORMAT}: "
            "make it again with `medsearch index CORPUS --rebuild`"
        )
    return manifest


def rebuild_command(plan: Plan) -> str:
    """The command that makes an index anew with the models and passage settings that it has."""
    settings = plan.passages
    return (
        f"medsearch index {plan.corpus} --models {','.join(plan.models)} --passage-tokens "
        f"{settings.max_tokens} --overlap-tokens {settings.overlap_tokens} --rebuild"
    )


def write_json(record: Plan | Manifest, file: Path) -> None:
    """Write a record as JSON so that a reader sees the old file or the new one, never half of one."""
    from pydantic import TypeAdapter

    replace_file(file, TypeAdapter(type(record)).dump_json(record, indent=2) + b"\n")


def replace_file(file: Path, content: bytes) -> None:
    """Write `content` durably under a temporary name, then switch it in."""
    partial = file.with_name(file.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def read_plan(file: Path) -> Plan | None:
    """The plan an unfinished build was started with; `None` where there is none or it is unreadable."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Plan).validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def plan_differences(made: Plan, wanted: Plan) -> list[str]:
    """One phrase a difference, e.g. "passages.max_tokens is 200 in the index, 128 is asked for".

    Models that only the index has are no difference: they stay in it.
    """
    pairs: list[tuple[str, object, object]] = [
        ("corpus", made.corpus, wanted.corpus),
        ("corpus hash", made.corpus_hash[:12], wanted.corpus_hash[:12]),
        ("the version of the cutting rules", made.cutting, wanted.cutting),
        ("the index format", made.format, wanted.format),
    ]
    for field in fields(PassageSettings):
        name = field.name
        pairs.append((f"passages.{name}", getattr(made.passages, name), getattr(wanted.passages, name)))
    differences = [_phrase(*pair) for pair in pairs if pair[1] != pair[2]]
    for name, spec in wanted.models.items():
        if name in made.models:
            differences.extend(model_differences(made.models[name], spec))
    return differences


def model_differences(made: ModelSpec, wanted: ModelSpec) -> Iterator[str]:
    """One phrase a field of the model's spec that differs and that document vectors depend on."""
    for field in fields(ModelSpec):
        if field.name in NOT_OF_DOCUMENT_VECTORS:
            continue
        old, new = getattr(made, field.name), getattr(wanted, field.name)
        if field.name == "parameters":
            old, new = dict(old), dict(new)
        if old != new:
            yield _phrase(f"{wanted.name}.{field.name}", old, new)


def _phrase(name: str, made: object, wanted: object) -> str:
    return f"{name} is {made!r} in the index, {wanted!r} is asked for"
