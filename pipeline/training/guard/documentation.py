"""Guard pairs from the documentation in Python packages: what a function does, and its description."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec

from pipeline.training.guard.pairs import GuardMaterial, GuardPair, outside_medicine, sample

DOCUMENTATION = "software documentation"

_MODULES = {
    "numpy": ("numpy", "numpy.linalg", "numpy.fft"),
    "pandas": ("pandas",),
    "scikit-learn": (
        "sklearn.cluster",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.preprocessing",
    ),
    "scipy": (
        "scipy.integrate",
        "scipy.interpolate",
        "scipy.linalg",
        "scipy.ndimage",
        "scipy.optimize",
        "scipy.signal",
        "scipy.spatial",
        "scipy.stats",
    ),
}
_OF_A_PACKAGE = 100
_SUMMARY_WORDS = 3
_DESCRIPTION_WORDS = 12

_SIGNATURE = re.compile(r"^[\w.]+\(")
_UNDERLINE = re.compile(r"^\s*[-=]{3,}\s*$", re.MULTILINE)
_ROLE = re.compile(r":[\w:]+:`~?([^`<]+?)(?: <[^`]*>)?`")


def documentation_pairs() -> GuardMaterial:
    """The first sentence of a function's documentation, and what else stands before its parameters."""
    there = {package: modules for package, modules in _MODULES.items() if _has(modules)}
    pairs = [
        pair
        for package, modules in there.items()
        for pair in sample(outside_medicine(_described(modules)), _OF_A_PACKAGE, package)
    ]
    named = {DOCUMENTATION: tuple(pairs)} if pairs else {}
    return GuardMaterial(named, {package: version(package) for package in there})


def split_docstring(text: str) -> GuardPair | None:
    """The summary and the description of a docstring in numpy's style; `None` where either says little."""
    paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph.strip()]
    if paragraphs and _SIGNATURE.match(paragraphs[0]):
        paragraphs = paragraphs[1:]
    summary, described = _plain(paragraphs[0]) if paragraphs else "", []
    for paragraph in paragraphs[1:]:
        if _UNDERLINE.search(paragraph):
            break
        if not paragraph.lstrip().startswith((".. ", ">>>")):
            described.append(_plain(paragraph))
    description = " ".join(described)
    if len(summary.split()) < _SUMMARY_WORDS or len(description.split()) < _DESCRIPTION_WORDS:
        return None
    return GuardPair(summary, description)


def _described(modules: tuple[str, ...]) -> Iterator[GuardPair]:
    """Each summary once: functions of one summary could not be told apart by it."""
    seen: set[str] = set()
    for name in modules:
        module = importlib.import_module(name)
        for attribute in sorted(module.__all__):
            member = getattr(module, attribute)
            text = inspect.getdoc(member) if callable(member) else None
            pair = split_docstring(text) if text else None
            if pair is not None and pair.question.casefold() not in seen:
                seen.add(pair.question.casefold())
                yield pair


def _has(modules: tuple[str, ...]) -> bool:
    return find_spec(modules[0].partition(".")[0]) is not None


def _plain(paragraph: str) -> str:
    return " ".join(_ROLE.sub(r"\1", paragraph).split())
