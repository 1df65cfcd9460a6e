"""The `medsearch` command."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.cli.program import Program, run_program

COMMANDS = {
    "corpora": "list the corpora on this machine, or fetch a public one",
    "models": "list the models of the registry",
    "index": "index a corpus, going on where an earlier run was stopped",
    "search": "search an indexed corpus",
    "evaluate": "score retrievers on a suite or a test collection",
    "compare": "say whether one model is better than another",
    "leaderboard": "all results of a folder as a table or a report",
    "card": "write a model's card from its results",
    "stress": "pass rates on clinical minimal pairs",
    "contamination": "find benchmark texts in training data",
    "calibrate": "find the score below which nothing answers a query",
    "disagreements": "the queries on which two models differ most",
    "export": "export a model for serving (ONNX)",
    "ui": "serve the page on this machine",
    "doctor": "say what is installed, reachable and missing",
}

_PROGRAM = Program(
    name="medsearch",
    description="Medical semantic search on your own machine. Not a medical device.",
    package="medsearch.cli",
    commands=COMMANDS,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 the work failed, 2 wrong usage."""
    return run_program(_PROGRAM, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
