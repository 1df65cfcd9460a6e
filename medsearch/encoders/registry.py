"""The model registry: `models.toml`, the user's own entries, and the way from a name to an encoder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from medsearch.adapter_source import settled_adapter
from medsearch.encoders.adapter_files import pinned_adapter
from medsearch.encoders.adapters import attached, is_adapter
from medsearch.encoders.entries import parse_entry
from medsearch.encoders.verify import pinned_revision, weights_digest
from medsearch.encoders.weights import missing_files
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.protocols import Encoder
from medsearch.same_weights import same_weights
from medsearch.types import ModelKind, ModelSpec

_BUNDLED = "models.toml"


class Backend(StrEnum):
    """What runs a dense model: ONNX Runtime (serving, no torch) or sentence-transformers (the reference)."""

    ONNX = "onnx"
    TRANSFORMER = "transformer"


def load_registry(extra: Path | None = None, *, cache: Path | None = None) -> Mapping[str, ModelSpec]:
    """Read the bundled `models.toml` and, behind it, the entries of the file `extra`.

    With a `cache` (where digests are remembered) models in folders are pinned to the weights that lie there
    now, so that a model trained again into the same folder never meets the vectors of the old one. An adapter
    is pinned to its base too; one whose files are missing is an entry all the same, which cannot be loaded.

    Raises:
        UsageError: A file cannot be read, an entry is wrong, or `extra` names a model that exists, or gives
            the weights of another entry another query prompt.
    """
    bundled = _parse(files("medsearch").joinpath(_BUNDLED).read_text("utf-8"), _BUNDLED)
    registry = _attached(bundled, bundled, cache, file=_BUNDLED)
    if extra is None:
        return MappingProxyType(registry)
    try:
        own = _parse(extra.read_text("utf-8"), str(extra))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{extra}: the model registry cannot be read ({error})") from error
    for name in own:
        if name in registry:
            raise UsageError(f"{extra}: [{name}]: the registry has a model of this name; choose another")
    own = {name: _pinned(spec, cache) for name, spec in own.items()}
    whole = registry | _attached(own, registry | own, cache, file=str(extra))
    for name in own:
        _check_prompt(whole[name], whole.values(), extra)
    return MappingProxyType(whole)


def _check_prompt(spec: ModelSpec, entries: Iterable[ModelSpec], file: Path) -> None:
    """A model has one query prompt: a second entry without it would be a way around `compare`'s checks."""
    for other in entries:
        if other.query_prompt != spec.query_prompt and same_weights(asdict(other), asdict(spec)):
            bare, prompted = sorted((spec, other), key=lambda entry: bool(entry.query_prompt))
            instead = "keep one of them"
            if not bare.query_prompt:
                instead += f"; {prompted.name}@no-prompt runs it without its prompt"
            raise UsageError(
                f"{file}: [{spec.name}]: query_prompt: {spec.query_prompt!r}, but [{other.name}] is the same "
                f"model with {other.query_prompt!r}: {instead}"
            )


def _attached(
    entries: Mapping[str, ModelSpec], registry: Mapping[str, ModelSpec], cache: Path | None, *, file: str
) -> dict[str, ModelSpec]:
    """The entries of one file, adapters among them with their bases in `registry`, and pinned if there."""
    done = dict(entries)
    for name, spec in entries.items():
        if is_adapter(spec):
            done[name] = attached(spec, registry, file=file)
            done[name] = done[name] if cache is None else pinned_adapter(done[name])
    return done


def _parse(text: str, file: str) -> dict[str, ModelSpec]:
    try:
        entries = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not valid TOML ({error})") from error
    return {name: parse_entry(name, entry, file=file) for name, entry in entries.items()}


def _pinned(spec: ModelSpec, cache: Path | None) -> ModelSpec:
    """The spec with the SHA-256 of its weights, unless it names one, and a digest of its other files.

    Only a model in a folder that is there is pinned: a hub's commit and a package's version do so already. Of
    an adapter only the source is settled here: see `_attached`.
    """
    if is_adapter(spec):
        return replace(spec, source=settled_adapter(spec.source))
    if cache is None or not spec.source.startswith("path:"):
        return spec
    folder = Path(spec.source.removeprefix("path:")).expanduser()
    if missing_files(folder):
        return spec
    sha256 = spec.sha256 or weights_digest(folder, cache=cache)
    return replace(spec, sha256=sha256, revision=pinned_revision(spec.revision, folder, cache=cache))


def find_model(name: str, registry: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the entry called `name`.

    Raises:
        UsageError: There is none; the message names those that are spelt alike, else all.
    """
    if name in registry:
        return registry[name]
    close = get_close_matches(name.lower(), registry, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(registry))}"
    raise UsageError(f"unknown model {name!r}; {hint}")


def load_encoder(spec: ModelSpec, *, cache: Path, backend: Backend = Backend.ONNX) -> Encoder:
    """Load a dense model; with ONNX the first load exports it into `cache` (see `medsearch.encoders.onnx`).

    Raises:
        ModelUnavailableError: Its weights, or what is needed to run them, are not on this machine.
        UsageError: It is not a model that gives one vector a text.
    """
    match spec.kind:
        case ModelKind.DENSE:
            return _load_dense(spec, cache, backend)
        case ModelKind.LATE_INTERACTION:
            raise ModelUnavailableError(
                f"model {spec.name!r} gives one vector a token (late interaction), where one a text is"
                " needed; choose a dense model"
            )
        case ModelKind.SPARSE:
            raise UsageError(
                f"model {spec.name!r} is sparse: the index computes it, there is nothing to encode"
            )


def _load_dense(spec: ModelSpec, cache: Path, backend: Backend) -> Encoder:
    match backend:
        case Backend.ONNX:
            from medsearch.encoders.onnx import OnnxEncoder

            return OnnxEncoder(spec, cache=cache)
        case Backend.TRANSFORMER:
            from medsearch.encoders.transformer import TransformerEncoder

            return TransformerEncoder(spec, cache=cache)
