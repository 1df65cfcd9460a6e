"""The header of a model card that the model hub reads: licence, base model, tags, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medsearch.adapter_source import split_adapter
from medsearch.evaluation.provenance import trained_folder
from medsearch.evaluation.results import TaskResult
from medsearch.types import ModelKind, ModelSpec

_HUB = "hub:"

# Identifiers that the hub knows; any other licence is "other" there, with its name.
_LICENCES = frozenset(
    {
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
        "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail",
        "unlicense",
    }
)  # fmt: skip


def card_header(
    spec: ModelSpec, base: str, results: Sequence[TaskResult], registry: Mapping[str, ModelSpec]
) -> str:
    """The YAML between the card's `---` lines; scores times 100, as mteb gives them.

    `base` is the name of the model that this one was made from, "" where there is none or it is not known.
    It stands as the hub's repository where it has one.
    """
    from huggingface_hub import EvalResult, ModelCardData

    found = [
        EvalResult(
            task_type="Retrieval",
            dataset_type=result.corpus,
            dataset_name=result.task,
            dataset_split=result.split,
            metric_type=_metric(measure),
            metric_name=measure,
            metric_value=round(100 * mean, 2),
        )
        for result in results
        for measure, mean in result.means.items()
    ]
    measures = dict.fromkeys(measure for result in results for measure in result.means)
    whole = _is_folder(spec)
    data = ModelCardData(
        model_name=spec.name,
        license=_licence(spec.licence)[0],
        license_name=_licence(spec.licence)[1],
        base_model=_base(base, registry),
        library_name="sentence-transformers" if whole else None,
        pipeline_tag="sentence-similarity" if spec.kind is not ModelKind.SPARSE else None,
        tags=["medical", "retrieval", "medsearch", *(["sentence-transformers"] if whole else [])],
        metrics=[_metric(measure) for measure in measures] or None,
        eval_results=found or None,
    )
    return str(data.to_yaml())


def _metric(measure: str) -> str:
    """nDCG@10 is ndcg_at_10 there."""
    return measure.lower().replace("@", "_at_")


def _licence(licence: str) -> tuple[str | None, str | None]:
    """Identifier and name; neither where the licence is not known."""
    if licence.lower() in _LICENCES:
        return licence.lower(), None
    return ("other", licence) if licence else (None, None)


def _base(base: str, registry: Mapping[str, ModelSpec]) -> str | None:
    source = registry[base].source if base in registry else ""
    return source.removeprefix(_HUB) if source.startswith(_HUB) else base or None


def _is_folder(spec: ModelSpec) -> bool:
    """Whether it is what sentence-transformers loads: a whole dense model in a folder or on the hub."""
    here = trained_folder(spec.source) is not None or spec.source.startswith(_HUB)
    return here and spec.kind is ModelKind.DENSE and split_adapter(spec.source) is None


def named_source(source: str) -> str:
    """A source that can stand in a card: of a folder only its name, of an adapter its base too."""
    folder = trained_folder(source)
    if folder is None:
        return source
    named, adapter = f"a folder called {folder.name}", split_adapter(source)
    return named if adapter is None else f"LoRA adapter on {adapter[1]}, {named}"
