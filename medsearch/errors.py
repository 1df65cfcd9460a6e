"""Errors meant for people: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class MedsearchError(Exception):
    """The work failed; the message is shown as it is on one line, and the command exits with 1."""

    exit_code = 1


class UsageError(MedsearchError):
    """The command was called wrongly (unknown name, bad option); it exits with 2."""

    exit_code = 2


class CorpusError(MedsearchError):
    """A corpus, or with `--strict` one of its records, cannot be read."""


class ModelUnavailableError(MedsearchError):
    """A model's weights, or what is needed to run them, are not on this machine."""


class IndexRefusedError(MedsearchError):
    """An index is missing, was made with other settings, or is being written by someone else."""


def first_fault(error: ValidationError, *, whole: str = "") -> str:
    """Where in a record the first fault is, and what it is; `whole` names a fault of no one field."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}" if where else first["msg"]
