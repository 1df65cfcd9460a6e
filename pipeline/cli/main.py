"""`python -m pipeline`: what makes training data, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.cli.program import Program, run_program

STAGES = {
    "prepare": "mask the notes of a corpus and cut them into passages",
    "generate": "ask an LLM for queries about the notes of a corpus",
    "filter": "keep the queries that their passages answer",
    "mine": "find hard negatives, and divide rows into train and dev",
    "convert": "turn a corpus with human judgements into the same rows",
    "crop": "cut training pairs out of the texts of other runs, without a language model",
    "train": "fine-tune a model by a recipe, choose on dev, and publish it",
    "ablate": "train variants of a recipe side by side, and say what each part is worth",
    "report": "write the dataset: card, parquet files, a page to read by eye",
    "llm": "serve a language model on this machine with vLLM",
}

_PROGRAM = Program(
    name="pipeline",
    description="Makes training data: generate, convert or crop, then filter, mine and report; and trains "
    "on it. A stage that was stopped goes on where it was.",
    package="pipeline.cli",
    commands=STAGES,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage. Exit codes: 0 done, 1 the work failed, 2 wrong usage."""
    return run_program(_PROGRAM, arguments)
