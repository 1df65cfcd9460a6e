"""`python -m pipeline llm`: serve a recipe's language model with vLLM until stopped."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from medsearch.cli.terminal import TerminalProgress
from pipeline.recipe import load_recipe
from pipeline.serving.vllm import server_of
from pipeline.settings import PipelineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `llm`."""
    parser.add_argument("--recipe", default="smollm2", metavar="RECIPE", help="default: smollm2")


def run(arguments: argparse.Namespace) -> int:
    """Become the server; Ctrl-C stops it."""
    settings = PipelineSettings.from_environment()
    recipe = settings.over(load_recipe(arguments.recipe))
    python = Path(
        os.environ.get("MEDSEARCH_LLM_PYTHON") or settings.search.data[-1].parent / ".venv-llm/bin/python"
    )
    server = server_of(recipe, python, settings.search.cache)
    TerminalProgress().say(
        f"serving {recipe.llm.model} at {recipe.llm.servers[0]}; ready after a minute or so"
    )
    os.execve(server.python, server.command, dict(server.environment))
