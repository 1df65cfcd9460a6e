"""Guard pairs from chatterbot-corpus (BSD licence): trivia and general knowledge, asked and answered."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from medsearch.errors import MedsearchError
from pipeline.training.guard.pairs import GuardMaterial, GuardPair, outside_medicine

PACKAGE = "chatterbot-corpus"

_FILES = {
    "trivia": ("trivia",),
    "general questions": (
        "computers",
        "food",
        "history",
        "literature",
        "money",
        "movies",
        "politics",
        "science",
        "sports",
    ),
}
"""Task -> files. Left out: health, psychology, small talk, and files that repeat themselves."""


def question_pairs() -> GuardMaterial:
    """The questions of the package's English files; none where it is not installed.

    Raises:
        MedsearchError: a file is missing or of another form.
    """
    found = find_spec("chatterbot_corpus")
    if found is None or not found.submodule_search_locations:
        return GuardMaterial({}, {})
    folder = Path(found.submodule_search_locations[0]) / "data" / "english"
    pairs = {
        task: tuple(outside_medicine(pair for name in names for pair in _asked(folder / f"{name}.yml")))
        for task, names in _FILES.items()
    }
    return GuardMaterial(pairs, {PACKAGE: version(PACKAGE)})


def _asked(file: Path) -> Iterator[GuardPair]:
    """The first turn of each conversation and the answer to it."""
    import yaml  # type: ignore[import-untyped]  # its stubs are one package more for three words

    try:
        conversations = yaml.safe_load(file.read_text("utf-8"))["conversations"]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        raise MedsearchError(
            f"{file}: not the questions expected of {PACKAGE}: install the version that constraints.txt names"
        ) from None
    for turns in conversations:
        if isinstance(turns, list) and len(turns) > 1:
            question, answer = (" ".join(str(turn).split()) for turn in turns[:2])
            if question and answer:
                yield GuardPair(question, answer)
