"""A command with subcommands: finds the one asked for, turns failures into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from medsearch import __version__
from medsearch.cli.terminal import clean
from medsearch.errors import MedsearchError

_DEBUG = "show a traceback when something fails"


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage on one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        line = " ".join(clean(message).split())
        print(f"{self.prog}: {line} (see `{self.prog} --help`)", file=sys.stderr)
        raise SystemExit(2)


@dataclass(frozen=True, slots=True)
class Program:
    """A command: its subcommands with a line on each, and the package with a module for each.

    A module has `add_arguments(parser)` and `run(arguments) -> int`.
    """

    name: str
    description: str
    package: str
    commands: Mapping[str, str]


def run_program(program: Program, arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Exit codes: 0 done, 1 the work failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given  # until it is parsed: it may also be a query, behind `--`
    try:
        parser = _parser(program, given)
        _refuse_broken_text(given, parser)
        parsed = parser.parse_args(given)
        debug = parsed.debug
        return int(import_module(f"{program.package}.{parsed.command}").run(parsed))
    except KeyboardInterrupt:
        return _failed(program, "stopped; nothing finished is lost, run the same command to go on")
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        return _failed(program, *_reason(error))


def _reason(error: Exception) -> tuple[str, int]:
    """What to say of a failure, and its exit code."""
    if isinstance(error, MedsearchError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}", 1
    return f"{str(error) or type(error).__name__} ({type(error).__name__}; --debug shows where)", 1


def _failed(program: Program, reason: str, code: int = 1) -> int:
    print(f"{program.name}: {' '.join(clean(reason).split())}", file=sys.stderr)
    return code


def _refuse_broken_text(given: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Bytes that are not UTF-8 come as lone surrogates; only the name of a file may have them."""
    for argument in given:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            if not _is_there(argument):
                parser.error(f"{clean(argument)!r} is not valid UTF-8: type it again, or check the encoding")


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # longer than a name can be
        return False


def _parser(program: Program, given: Sequence[str]) -> argparse.ArgumentParser:
    """All subcommands by name; only the one that is asked for is imported."""
    parser = _Parser(prog=program.name, description=program.description)
    parser.add_argument("--version", action="version", version=f"medsearch {__version__}")
    parser.add_argument("--debug", action="store_true", help=_DEBUG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((argument for argument in given if not argument.startswith("-")), "")
    for name, summary in program.commands.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        command.add_argument("--json", action="store_true", help="print one JSON document")
        # Its default would undo a --debug that stands before the command.
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=_DEBUG)
        if name == asked:
            import_module(f"{program.package}.{name}").add_arguments(command)
    return parser
