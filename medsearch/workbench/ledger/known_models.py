"""Whether a model that a report is kept on is one that anything will look it up by."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.results import read_results
from medsearch.evaluation.used_models import models_of
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings


def check_models(names: Iterable[str], folder: Path, settings: Settings) -> None:
    """Refuse a name that is neither in the registry nor in the results of the folder.

    Raises:
        UsageError: naming those that are spelt alike.
    """
    registry = load_registry(settings.models)
    known = {*registry, *_of_results(folder)}
    for name in names:
        if name in known or name in {file_name(one) for one in known}:
            continue
        try:
            parse_retriever(name, registry)
        except UsageError:
            close = get_close_matches(name, sorted(known), n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "`medsearch models` lists the registry"
            raise UsageError(
                f"--model {name}: neither the registry nor a result in {folder} has it; {hint}"
            ) from None


def _of_results(folder: Path) -> set[str]:
    try:
        results = read_results(folder)
    except UsageError:
        return set()
    return {name for result in results for name in (result.retriever, *models_of(result))}
