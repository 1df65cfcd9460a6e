"""The `medsearch` command: finds the subcommand, and turns every failure into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from medsearch import __version__
from medsearch.errors import MedsearchError

COMMANDS = {
    "corpora": "list the corpora on this machine, or fetch a public one",
    "models": "list the models of the registry",
    "index": "index a corpus, going on where an earlier run was stopped",
    "search": "search an indexed corpus",
    "evaluate": "score retrievers on a test collection",
    "export": "export a model for serving (ONNX)",
    "ui": "serve the page on this machine",
    "doctor": "say what is installed, reachable and missing",
}


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage on one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see `{self.prog} --help`)", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 the work failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        parsed = _parser(given).parse_args([argument for argument in given if argument != "--debug"])
        return int(import_module(f"medsearch.cli.{parsed.command}").run(parsed))
    except MedsearchError as error:
        if debug:
            raise
        print(f"medsearch: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("medsearch: stopped; nothing finished is lost, run the same command to go on", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"medsearch: {reason} ({type(error).__name__}; --debug shows where)", file=sys.stderr)
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """All subcommands by name; only the one that is asked for is imported."""
    parser = _Parser(
        prog="medsearch",
        description="Medical semantic search on your own machine. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"medsearch {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        command.add_argument("--json", action="store_true", help="print one JSON document")
        if name in given:
            import_module(f"medsearch.cli.{name}").add_arguments(command)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
