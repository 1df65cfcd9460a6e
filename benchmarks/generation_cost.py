"""What generating costs at scale: tokens a note as a run measured them, GPU hours by arithmetic.

    python -m benchmarks.generation_cost RUN [--notes 5000,1000000]

Tokens are counted by the server that wrote the run. Rates of GPUs that are not here are estimated from
their data sheet (Roofline): a prompt token costs 2 operations a parameter; a step of decoding reads all
weights once for a whole batch. `--use` is the share of the peak that is reached; it is an assumption.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.record import keep
from medsearch.cli.terminal import show_table
from medsearch.errors import MedsearchError, UsageError
from pipeline.cli.stage import existing_run
from pipeline.journal import read_rows
from pipeline.notes import NoteRow
from pipeline.prompting import Prompt, conversation, load_prompt
from pipeline.questions import questions_about
from pipeline.recipe import Recipe
from pipeline.report.stages import read_yield
from pipeline.run_folder import RunFolder
from pipeline.settings import PipelineSettings

_SAMPLE = 200
"""Notes whose conversations are measured in characters."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens a note: in prompts, of those the same for all notes (cached by the server), and in answers."""

    prompt: float
    repeated: float
    answer: float


@dataclass(frozen=True, slots=True)
class Hardware:
    """A server of some GPUs: operations and bytes a second of one, and a model's size and precision."""

    name: str
    gpus: int
    operations: float
    bandwidth: float
    parameters: float
    bytes_each: int
    batch: int

    def prompt_rate(self, use: float) -> float:
        """Prompt tokens a second of the server."""
        return use * self.gpus * self.operations / (2 * self.parameters)

    def answer_rate(self, use: float) -> float:
        """Answer tokens a second: a batch for each reading of the weights, but no faster than it computes."""
        steps = self.gpus * self.bandwidth / (self.parameters * self.bytes_each)
        return use * min(self.batch * steps, self.gpus * self.operations / (2 * self.parameters))


SERVERS = (
    Hardware("Llama 3.1 70B, bfloat16, 4 H100 SXM", 4, 989e12, 3.35e12, 70.6e9, 2, 256),
    Hardware("Llama 3.1 8B, bfloat16, 1 H100 SXM", 1, 989e12, 3.35e12, 8.03e9, 2, 256),
)
"""Data sheet: 989 TFLOP/s bfloat16 without sparsity, 3.35 TB/s, 80 GB."""


def tokens_a_note(run: RunFolder, recipe: Recipe, prompt: Prompt) -> Tokens:
    """From the run's own counts; the repeated share by the characters of its conversations."""
    total = read_yield(run, "generate")
    if total is None or not total.seen["notes"]:
        raise MedsearchError(f"{run.path} has no finished notes: run `python -m pipeline generate` first")
    notes = total.seen["notes"]
    whole, own = 0, 0
    for _, note in zip(range(_SAMPLE), read_rows(run.notes, NoteRow), strict=False):
        for question in questions_about(note, prompt, recipe.generate):
            messages = conversation(prompt, question.text, question.kinds)
            whole += sum(len(message.content) for message in messages)
            own += len(messages[-1].content)
    per_note = total.prompt_tokens / notes
    return Tokens(per_note, per_note * (1 - own / whole), total.completion_tokens / notes)


def estimate(tokens: Tokens, notes: int, server: Hardware, use: float) -> dict[str, float | str | int]:
    """Tokens and GPU hours for so many notes, the repeated part of the prompt being computed once."""
    fresh = (tokens.prompt - tokens.repeated) * notes
    seconds = fresh / server.prompt_rate(use) + tokens.answer * notes / server.answer_rate(use)
    return {
        "server": server.name,
        "notes": notes,
        "prompt_tokens": round(tokens.prompt * notes),
        "prompt_tokens_computed": round(fresh),
        "answer_tokens": round(tokens.answer * notes),
        "hours": round(seconds / 3600, 2),
        "gpu_hours": round(server.gpus * seconds / 3600, 2),
    }


def read_notes(text: str) -> list[int]:
    """Numbers of notes with commas between.

    Raises:
        UsageError: one is not a whole number above zero.
    """
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"[0-9]{1,12}", part) or int(part) < 1:
            raise UsageError(f"--notes {text}: {part!r} is not a whole number from 1 on; write 5000,1000000")
    return [int(part) for part in parts]


def read_use(text: str) -> float:
    """A share above 0, at most 1.

    Raises:
        UsageError: it is none.
    """
    try:
        use = float(text)
    except ValueError:
        use = 0.0
    if not 0 < use <= 1:
        raise UsageError(f"--use {text}: must be a share of the peak, above 0 and at most 1")
    return use


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", help="a generated run that tokens a note are taken from")
    parser.add_argument("--notes", default="5000,1000000", help="numbers of notes, commas between")
    parser.add_argument("--use", default="0.3", help="share of the data sheet's peak (default: 0.3)")
    given = parser.parse_args(arguments)
    try:
        measure(given.run, read_notes(given.notes), read_use(given.use))
    except MedsearchError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")


def measure(name: str, numbers: Sequence[int], use: float) -> None:
    """Show and keep what so many notes cost, by the tokens of a run.

    Raises:
        MedsearchError: the run is not there, or has no finished notes.
    """
    run = existing_run(name, PipelineSettings.from_environment())
    recipe = run.recipe(None)
    tokens = tokens_a_note(run, recipe, load_prompt(recipe.generate.prompt))
    rows = [estimate(tokens, notes, server, use) for server in SERVERS for notes in numbers]
    show_table(
        [[f"{v:,}" if isinstance(v, int | float) else v for v in row.values()] for row in rows], list(rows[0])
    )
    keep(
        "generation_cost",
        {
            "run": run.name,
            "prompt": recipe.generate.prompt,
            "tokens_a_note": {"prompt": tokens.prompt, "repeated": tokens.repeated, "answer": tokens.answer},
            "use": use,
            "estimates": rows,
        },
    )


if __name__ == "__main__":
    main()
