"""What a model of one's own was chosen on, and what its base was, where that is a model of one's own too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medsearch.evaluation.provenance import (
    OF_BASE,
    Provenance,
    SelectionTask,
    provenance_at,
    read_provenance,
    speaks_of,
    trained_folder,
)

Spec = Mapping[str, Any]
"""A `ModelSpec` as a table, as in results; fields may be missing."""


def own_models(spec: Spec) -> tuple[Spec, ...]:
    """The model and, of an adapter, its base behind it: those of them that are one's own."""
    found = [dict(spec)]
    parameters = spec.get("parameters") or {}
    if source := parameters.get("base_source"):
        name = str(spec.get("source") or "").rpartition("@")[2]
        found.append({"name": name, "source": source, "sha256": parameters.get("base_sha256", "")})
    return tuple(each for each in found if trained_folder(str(each.get("source") or "")) is not None)


def provenances_of(spec: Spec, *, strict: bool = True) -> tuple[Provenance | None, ...]:
    """Of each of `own_models` its provenance, `None` where it has none.

    The base's stands in the model's as `of_base` too, also where that has not kept it. One of other weights
    than those of the spec is refused or, if not `strict`, passed over.

    Raises:
        MedsearchError: one cannot be read, or it is of other weights.
    """
    found = [_provenance(each, strict=strict) for each in own_models(spec)]
    if len(found) == 2 and found[0] is not None:
        found[1] = found[0].of_base or found[1]
        found[0] = found[0].model_copy(update={"of_base": found[1]})
    return tuple(found)


def nearest(provenances: tuple[Provenance | None, ...]) -> Provenance | None:
    """The model's own, which has its base's in it, else its base's; `None` where neither is known."""
    return next((each for each in provenances if each is not None), None)


def summary_of(provenances: tuple[Provenance | None, ...]) -> dict[str, Any]:
    """What a result keeps of a model; empty where nothing is known."""
    found = nearest(provenances)
    if found is None:
        return {}
    return found.summary() if provenances[0] is not None else {OF_BASE: found.summary()}


def candidates_tried(summary: Mapping[str, Any]) -> list[int]:
    """How many candidates the model, its base and so on were each chosen from, as far as a result says."""
    own = [int(summary["candidates"])] if summary.get("candidates") else []
    return own + (candidates_tried(summary[OF_BASE]) if summary.get(OF_BASE) else [])


def chosen_on(provenance: Provenance, who: str = "it") -> Iterator[tuple[str, SelectionTask]]:
    """Whatever took part in choosing the model, its base, the base's base and so on, and which of them."""
    for task in provenance.selection.tasks:
        yield who, task
    if provenance.of_base is not None:
        yield from chosen_on(provenance.of_base, base_of(provenance.of_base))


def base_of(provenance: Provenance) -> str:
    """What the model of this provenance is called where another was made from it."""
    return f"its base {provenance.model}"


def _provenance(spec: Spec, *, strict: bool) -> Provenance | None:
    source, sha256 = str(spec["source"]), str(spec.get("sha256") or "")
    if strict:
        return provenance_at(source, name=str(spec.get("name") or ""), sha256=sha256)
    folder = trained_folder(source)
    found = None if folder is None else read_provenance(folder)
    return found if found is not None and speaks_of(found, sha256) else None
