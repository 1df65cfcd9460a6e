"""Does a late-interaction model's folder hold what the registry says, in the form that we can run?"""

from __future__ import annotations

from pathlib import Path

from medsearch.encoders.adapter_modules import adapter_modules
from medsearch.encoders.adapters import is_adapter
from medsearch.encoders.token_modules import (
    DENSE,
    TRANSFORMER,
    damaged,
    module_config,
    module_kind,
    read_modules,
    read_object,
)
from medsearch.encoders.verify import verify_pins
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.types import ModelSpec

MASK, NORMALIZE = "MultiVectorMask", "Normalize"
_MODULES = (TRANSFORMER, DENSE, MASK, NORMALIZE)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # the first that is there counts, as in the library
_TYPE = "MultiVectorEncoder"
STANFORD = "stanford"
"""`format` in the parameters of an entry whose repository cannot be run as it is."""


def projection_files(folder: Path) -> list[Path]:
    """The weights of the modules behind the transformer, such as `1_Dense/model.safetensors`."""
    paths = [folder / module["path"] for module in read_modules(folder) if module_kind(module) == DENSE]
    return [path / "model.safetensors" for path in paths]


def verify_token_model(spec: ModelSpec, folder: Path, *, cache: Path) -> None:
    """Refuse a folder that `sentence_transformers.MultiVectorEncoder` did not save, or that is another model.

    Raises:
        ModelUnavailableError: the message names what differs, and what to do.
    """
    check_token_folder(spec, folder)
    verify_pins(spec, folder, cache=cache)
    _refuse_disagreements(spec, folder)


def verify_token_settings(spec: ModelSpec, folder: Path) -> None:
    """The same without the pins: of an adapter's folder, or of one that it was merged into.

    Raises:
        ModelUnavailableError: the message names what differs, and what to do.
    """
    check_token_folder(spec, folder)
    _refuse_disagreements(spec, folder)


def _refuse_disagreements(spec: ModelSpec, folder: Path) -> None:
    for field, stated, wanted in _disagreements(spec, folder):
        raise ModelUnavailableError(
            f"model {spec.name!r}: {field} is {stated} in {folder}, but {wanted} in the registry;"
            " correct the registry's entry"
        )


def check_format(spec: ModelSpec) -> None:
    """Refuse a model whose weights are known to be of no use to us, before they are fetched.

    Raises:
        ModelUnavailableError: the message says how to make a folder of it that can be run.
    """
    if spec.parameters.get("format") == STANFORD:
        repository = spec.source.partition(":")[2]
        raise ModelUnavailableError(
            f"model {spec.name!r}: {repository} is in the format of Stanford's ColBERT, which is not read:"
            f' save sentence_transformers.{_TYPE}("{repository}", revision="{spec.revision}") with'
            ' save_pretrained, and name that folder as source = "path:FOLDER" of an entry of your own in the'
            " file that MEDSEARCH_MODELS names"
        )


def pooling_factor(spec: ModelSpec) -> float:
    """How many token vectors of a document become one: `token_pooling` of the entry's parameters, else 1.

    Raises:
        UsageError: it is not a number from 1 on.
    """
    factor = spec.parameters.get("token_pooling", 1.0)
    if not isinstance(factor, float | int) or not factor >= 1:
        raise UsageError(
            f"model {spec.name!r}: parameters.token_pooling must be a number from 1 (none) on, not {factor!r}"
        )
    return float(factor)


def check_token_folder(spec: ModelSpec, folder: Path) -> None:
    """Refuse a folder that is not of the form that we can run, or that lacks a part.

    Raises:
        ModelUnavailableError: the message names what is wrong, and what to do.
    """
    if is_adapter(spec):
        adapter_modules(spec.name, folder)
    kinds = [module_kind(module) for module in read_modules(folder)]
    stated = read_object(folder / "config_sentence_transformers.json").get("model_type")
    if stated != _TYPE or kinds[:1] != [TRANSFORMER]:
        instead = (
            "copy the whole folder of one that is of late interaction, or correct the entry's kind"
            if is_adapter(spec)
            else f"load it with {_TYPE}(FOLDER), save it with save_pretrained, and name that folder as"
            ' source = "path:FOLDER"'
        )
        raise ModelUnavailableError(
            f"model {spec.name!r}: {folder} was not saved by sentence_transformers.{_TYPE} (other ColBERT"
            f" formats are not read); {instead}"
        )
    for kind in kinds:
        if kind not in _MODULES:
            raise ModelUnavailableError(
                f"model {spec.name!r}: {folder} has a module {kind}; only {', '.join(_MODULES)} can be run"
            )
    for kind in (MASK, NORMALIZE):
        if kind not in kinds:
            raise ModelUnavailableError(
                f"model {spec.name!r}: {folder} has no module {kind}, without which it cannot be run"
            )
    for file in projection_files(folder):
        if not file.is_file():
            raise ModelUnavailableError(
                f"model {spec.name!r}: {folder} has no {file.relative_to(folder)}; copy the whole folder"
            )
    _dense_dims(folder)


def _disagreements(spec: ModelSpec, folder: Path) -> list[tuple[str, object, object]]:
    """(field, what the folder says, what the registry says) for each contradiction."""
    found: list[tuple[str, object, object]] = []
    config = read_object(folder / "config.json")
    dims = [config.get("hidden_size", spec.dim)]
    dims += _dense_dims(folder)
    if dims[-1] != spec.dim:
        found.append(("dim (of the last projection)", dims[-1], spec.dim))
    stated = {
        "document_length": read_object(folder / "sentence_bert_config.json").get("document_length"),
        "max_position_embeddings": config.get("max_position_embeddings"),
        "model_max_length": read_object(folder / "tokenizer_config.json").get("model_max_length"),
    }
    for field, limit in stated.items():
        if isinstance(limit, int | float) and 0 < limit < spec.max_tokens:
            found.append((f"max_tokens ({field})", limit, spec.max_tokens))
    for field, stated_prompt, wanted in _prompts(spec, folder):
        if stated_prompt != wanted:
            found.append((field, repr(stated_prompt), repr(wanted)))
    for module in read_modules(folder):
        if module_kind(module) == MASK and module_config(folder, module).get("keep_only_token_ids"):
            found.append(("keep_only_token_ids (of the mask)", "set", "not supported"))
    return found


def _dense_dims(folder: Path) -> list[int]:
    """Of each projection the dimensions that it gives."""
    dims = []
    for module in read_modules(folder):
        if module_kind(module) == DENSE:
            dim = module_config(folder, module).get("out_features")
            if not isinstance(dim, int):
                file = folder / module["path"] / "config.json"
                raise damaged(file, "it is missing, or has no number out_features")
            dims.append(dim)
    return dims


def _prompts(spec: ModelSpec, folder: Path) -> list[tuple[str, str, str]]:
    file = folder / "config_sentence_transformers.json"
    prompts = read_object(file).get("prompts") or {}
    if not isinstance(prompts, dict):
        raise damaged(file, "prompts must be an object")
    document = next((prompts[name] for name in _DOCUMENT_PROMPTS if prompts.get(name) is not None), "")
    return [
        ("query_prompt (prompts.query)", prompts.get("query") or "", spec.query_prompt),
        ("document_prompt (prompts.document)", document, spec.document_prompt),
    ]
