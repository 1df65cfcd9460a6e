"""What our models and tasks are called in mteb, without importing it, which takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from medsearch.types import ModelSpec

_UNSAFE = str.maketrans(dict.fromkeys('<>:"|?*\\/\0', "_"))
_LONGEST = 200
"""Of a longer name mteb takes a hash; such a result is simply written again."""

OWN_ENTRIES = "own_entries"
"""In the settings that mteb is told of: model -> `entry_digest` of each that medsearch does not come with."""


def task_name(corpus: str, split: str) -> str:
    """What mteb knows a corpus and split of ours by, such as "medsearch-covid_faq-en-test"."""
    return f"medsearch-{corpus.replace('/', '-')}-{split}"


def model_name(retriever: str, specs: Sequence[ModelSpec]) -> str:
    """A hub model goes by its hub name, any other as "medsearch/NAME"."""
    if on_hub(specs):
        return specs[0].source.removeprefix("hub:")
    return f"medsearch/{retriever.replace(':', '-').replace('/', '-')}"


def on_hub(specs: Sequence[ModelSpec]) -> bool:
    """Whether this is one model of the model hub."""
    return len(specs) == 1 and specs[0].source.startswith("hub:")


def entry_digest(spec: ModelSpec) -> str:
    """12 hex digits over weights, pooling, length, prompts: all of an entry that a score depends on."""
    return sha256(repr((spec.of_vectors, spec.query_prompt)).encode()).hexdigest()[:12]


def model_revision(specs: Sequence[ModelSpec], settings: Mapping[str, Any]) -> str:
    """The revisions; of an entry of one's own with its digest, since it may be changed under its name.

    A hub model's stays its commit: there the digest is in `experiment`.
    """
    own = {} if on_hub(specs) else settings.get(OWN_ENTRIES, {})
    return "+".join(spec.revision + (f"+{own[spec.name]}" if spec.name in own else "") for spec in specs)


def experiment(specs: Sequence[ModelSpec], settings: Mapping[str, Any]) -> dict[str, str]:
    """What makes a run another than the model's own: mteb's `experiment_kwargs`."""
    declared = settings.get("declared_query_prompts", {})
    changes = {
        f"{spec.name}_query_prompt": spec.query_prompt or "none"
        for spec in specs
        if declared.get(spec.name, spec.query_prompt) != spec.query_prompt
    }
    if on_hub(specs):
        changes |= {f"{name}_entry": digest for name, digest in settings.get(OWN_ENTRIES, {}).items()}
    passages = settings.get("passages", "whole documents")
    if passages != "whole documents":
        changes["passages"] = "-".join(str(value) for value in passages.values())
    if settings.get("search", "exact") != "exact":
        changes["search"] = str(settings["search"])
    return changes


def is_there(
    folder: Path, task: str, retriever: str, specs: Sequence[ModelSpec], settings: Mapping[str, Any]
) -> bool:
    """Whether `folder` has mteb's result of this task and model, as mteb names folders of experiments."""
    name = model_name(retriever, specs).replace("/", "__").replace(" ", "_")
    place = folder / "results" / name / model_revision(specs, settings)
    changes = experiment(specs, settings)
    if changes:
        said = "__".join(f"{key}_{value.translate(_UNSAFE)}" for key, value in sorted(changes.items()))
        place = place / "experiments" / said
    return len(place.name) <= _LONGEST and (place / f"{task}.json").is_file()
