"""Which models a result was made with, and how: read from the settings that are kept beside its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from medsearch.evaluation.results import TaskResult
from medsearch.same_weights import same_weights

MODEL_FIELDS = (
    "name", "source", "revision", "sha256", "kind", "pooling", "query_prompt", "document_prompt",
    "max_tokens", "dim", "parameters", "family", "size", "licence",
)  # fmt: skip
"""Fields of a `ModelSpec` in the order they are shown."""

Spec = Mapping[str, Any]


def models_of(result: TaskResult) -> dict[str, Spec]:
    """Model name -> its spec as used; empty for a run that was made elsewhere."""
    return models_in(result.settings)


def models_in(settings: Mapping[str, Any]) -> dict[str, Spec]:
    """As `models_of`, of the settings of a result or of a stress card."""
    models = settings.get("models")
    if not isinstance(models, Mapping):
        return {}
    return {str(name): spec for name, spec in models.items() if isinstance(spec, Mapping)}


def main_model(result: TaskResult) -> Spec:
    """The model that a retriever is named after: of a hybrid the dense one; empty where none is known."""
    models = list(models_of(result).values())
    return next((spec for spec in models if is_dense(spec)), models[0] if models else {})


def is_dense(spec: Spec) -> bool:
    """Whether the model gives vectors, for which number type and backend matter."""
    return spec.get("kind") != "sparse"


def family_of(spec: Spec) -> str:
    """What the model was made from, by name; its own where it was made from none; "" where not known."""
    return str(spec.get("family") or spec.get("name") or "")


def same_revisions(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two settings are of the same models, each at the same revision."""
    revisions = [
        {name: (spec.get("source"), spec.get("revision")) for name, spec in models_in(settings).items()}
        for settings in (one, other)
    ]
    return revisions[0] == revisions[1]


class PromptLeftOut(NamedTuple):
    """A `model` of a result that was run behind `used` ("": nothing) and not behind `declared`.

    `entry` is the registry's entry that declares it: the model's own, or one of the same weights.
    """

    model: str
    declared: str
    used: str
    entry: str


def declared_models(result: TaskResult) -> list[Spec]:
    """The models of a result, each with the query prompt that its entry declared when it was run."""
    prompts = _declared(result)
    return [
        {**spec, "name": name, "query_prompt": prompts.get(name)} for name, spec in models_of(result).items()
    ]


def prompt_left_out(result: TaskResult, known: Iterable[Spec] = ()) -> PromptLeftOut | None:
    """The first model that was not used as its own entry, or one in `known` of the same weights, declares."""
    entries = list(known)
    for name, spec in models_of(result).items():
        used = str(spec.get("query_prompt") or "")
        own = str(_declared(result).get(name) or "")
        if own and used != own:
            return PromptLeftOut(name, own, used, name)
        for entry in entries:
            wanted = str(entry.get("query_prompt") or "")
            if wanted and used != wanted and same_weights(entry, spec):
                return PromptLeftOut(name, wanted, used, str(entry.get("name") or name))
    return None


def declares_prompt(result: TaskResult) -> bool:
    """Whether the entry of one of its models declares a query prompt."""
    return any(_declared(result).values())


def _declared(result: TaskResult) -> Mapping[str, Any]:
    declared = result.settings.get("declared_query_prompts")
    return declared if isinstance(declared, Mapping) else {}
