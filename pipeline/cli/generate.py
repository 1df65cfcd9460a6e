"""`python -m pipeline generate`: ask an LLM for queries about the notes of a corpus."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, replace

from medsearch.cli.terminal import TerminalProgress, positive_int
from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import UsageError
from medsearch.protocols import Progress
from pipeline.cli.prepare import PREPARED, prepared_notes
from pipeline.cli.stage import add_recipe_argument, add_run_arguments, show_yield
from pipeline.generate import Generator, generate, generation_plan
from pipeline.journal import digest
from pipeline.llm.check import check_servers
from pipeline.llm.client import LlmClient
from pipeline.llm.server import ServerSettings, Structured
from pipeline.prompting import Prompt, load_prompt
from pipeline.recipe import Recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings
from pipeline.yields import Yield


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `generate`."""
    parser.add_argument(
        "corpus", metavar="CORPUS", help="a corpus of notes by name, or a folder or file of one"
    )
    parser.add_argument(
        "--notes", type=positive_int(limit=100_000_000), default=500, metavar="N",
        help="how many notes to ask about; more later go on from there (default: 500)",
    )  # fmt: skip
    add_run_arguments(parser, default="the corpus's name")
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the notes, ask about them, and say what came of it."""
    settings = PipelineSettings.from_environment()
    location = find_corpus(arguments.corpus, settings.search.data)
    folder = open_run(arguments.run or location.name, settings.runs)
    asked_for = folder.recipe(arguments.recipe)
    recipe = settings.over(asked_for)
    prompt = _prompt_of(recipe)
    servers = server_settings(recipe, settings)
    progress = TerminalProgress()
    asyncio.run(_look(servers, settings, progress))
    with folder.held():
        prepared = prepared_notes(
            location, folder, recipe, settings.search, progress, restart=arguments.restart
        )
        if arguments.restart:
            folder.keep(asked_for)
        else:
            folder.keep_first(asked_for)
        job = _Job(folder, recipe, prompt, servers, progress)
        total = asyncio.run(job.generate(arguments.notes, settings, restart=arguments.restart))
        folder.keep(asked_for)
    if not arguments.json:
        show_yield("prepare", folder, prepared, PREPARED, as_json=False)
    show_yield("generate", folder, total, ("queries asked for", "queries kept"), as_json=arguments.json)
    return 0


def _prompt_of(recipe: Recipe) -> Prompt:
    prompt = load_prompt(recipe.generate.prompt)
    if prompt.mode is not recipe.generate.mode:
        raise UsageError(
            f"prompt {prompt.name!r} is for mode {prompt.mode.value!r}, the recipe says "
            f"{recipe.generate.mode.value!r}: change one of them"
        )
    missing = [kind.value for kind in recipe.generate.queries if kind not in prompt.kinds]
    if missing:
        raise UsageError(f"prompt {prompt.name!r} does not say how to ask for {', '.join(missing)}")
    return prompt


def server_settings(recipe: Recipe, settings: PipelineSettings) -> ServerSettings:
    """The servers of a recipe, as the environment may have changed them."""
    llm = recipe.llm
    servers = ServerSettings(
        base_urls=llm.servers,
        model=llm.model,
        temperature=llm.temperature,
        max_tokens=llm.max_tokens,
        seed=llm.seed,
        in_flight=llm.in_flight,
        timeout_s=llm.timeout_s,
        attempts=llm.attempts,
        structured=Structured(llm.structured),
    )
    return replace(servers, api_key=settings.api_key) if settings.api_key else servers


async def _look(servers: ServerSettings, settings: PipelineSettings, progress: Progress) -> None:
    for state in await check_servers(servers, allow_remote=settings.allow_remote):
        if state.warning:
            progress.say(state.warning)


@dataclass(frozen=True, slots=True)
class _Job:
    folder: RunFolder
    recipe: Recipe
    prompt: Prompt
    servers: ServerSettings
    progress: Progress

    async def generate(self, notes: int, settings: PipelineSettings, *, restart: bool) -> Yield:
        plan = generation_plan(self.recipe, self.prompt, digest(self.folder.notes))
        say = self.progress.say
        async with LlmClient(self.servers, allow_remote=settings.allow_remote, say=say) as llm:
            generator = Generator(llm, self.recipe, self.prompt)
            return await generate(self.folder, generator, plan, notes, self.progress, restart=restart)
