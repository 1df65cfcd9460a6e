"""`python -m pipeline prepare`: mask the notes of a corpus and cut them into the pool; no LLM is asked."""

from __future__ import annotations

import argparse

from medsearch.cli.terminal import TerminalProgress
from medsearch.corpora.catalogue import CorpusLocation, find_corpus
from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.tokens import token_counter
from medsearch.errors import MedsearchError
from medsearch.protocols import Progress
from medsearch.settings import Settings
from pipeline.cli.stage import add_recipe_argument, add_run_arguments, show_yield
from pipeline.masking.masker import Masker, masking_version
from pipeline.notes import NoteTools, prepare_notes
from pipeline.recipe import Recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings
from pipeline.yields import Yield


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `prepare`."""
    parser.add_argument(
        "corpus", metavar="CORPUS", help="a corpus of notes by name, or a folder or file of one"
    )
    add_run_arguments(parser, default="the corpus's name")
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the notes, and say what came of it."""
    settings = PipelineSettings.from_environment()
    location = find_corpus(arguments.corpus, settings.search.data)
    folder = open_run(arguments.run or location.name, settings.runs)
    recipe = folder.recipe(arguments.recipe)
    with folder.held():
        prepared = prepared_notes(
            location, folder, recipe, settings.search, TerminalProgress(), restart=arguments.restart
        )
        folder.keep_first(recipe)
    show_yield("prepare", folder, prepared, PREPARED, as_json=arguments.json)
    return 0


PREPARED = ("notes read", "notes that can be used")
"""What the yield of preparing counts."""


def prepared_notes(
    location: CorpusLocation,
    folder: RunFolder,
    recipe: Recipe,
    settings: Settings,
    progress: Progress,
    *,
    restart: bool,
) -> Yield:
    """Mask the notes of a corpus and cut them, or read that it is done.

    Raises:
        MedsearchError: no note can be used; the message says why.
    """
    count = token_counter(find_model(recipe.passages.tokenizer, load_registry(settings.models)))
    tools = NoteTools(Masker(), count, masking_version())
    prepared = prepare_notes(location, folder, recipe, tools, progress, restart=restart)
    if not prepared.kept:
        raise MedsearchError(_no_notes(location.name, prepared))
    return prepared


def _no_notes(corpus: str, prepared: Yield) -> str:
    why = (
        "; ".join(f"{count:,} {reason}" for reason, count in prepared.dropped.most_common()) or "it is empty"
    )
    return f"no note of {corpus} can be used ({why}): see [generate] in the recipe"
