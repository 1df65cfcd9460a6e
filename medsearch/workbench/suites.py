"""Suites: named lists of tasks, each a TOML file; some come with medsearch, others are a user's own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from medsearch.errors import UsageError

HUB = "mteb:"
"""Before a task's name: mteb loads it from the model hub and runs it."""

_ONLY_SUBSET = "/default"
_ENDING = ".toml"
_KEYS = ("description", "role", "tasks")


class SuiteRole(StrEnum):
    """What a suite is for: to choose models and settings on, or to report on, which is counted."""

    CHOOSE = "choose"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """A corpus and the split whose judgements count; of a hub task the corpus is "mteb:NAME"."""

    corpus: str
    split: str

    @property
    def name(self) -> str:
        """What the task is called: "CORPUS:SPLIT"."""
        return f"{self.corpus}:{self.split}"

    @property
    def canonical(self) -> SuiteTask:
        """The same task under its one name: of a hub task "mteb:NAME" and not "mteb:NAME/default"."""
        if not self.corpus.startswith(HUB):
            return self
        return SuiteTask(self.corpus.removesuffix(_ONLY_SUBSET), self.split)

    @property
    def hub_task(self) -> str | None:
        """The name that mteb has for it, of a task of the model hub."""
        return self.corpus.removeprefix(HUB) if self.corpus.startswith(HUB) else None


@dataclass(frozen=True, slots=True)
class Suite:
    """A named list of tasks."""

    name: str
    role: SuiteRole
    description: str
    tasks: tuple[SuiteTask, ...]


def suite_names() -> list[str]:
    """The suites that come with medsearch."""
    return sorted(
        file.name.removesuffix(_ENDING) for file in _bundled().iterdir() if file.name.endswith(_ENDING)
    )


def names_a_suite(name: str) -> bool:
    """Whether this is the name of a suite that comes with medsearch, or of a TOML file."""
    return name.endswith(_ENDING) or name in suite_names()


def load_suite(name: str) -> Suite:
    """The suite of a name, or of the TOML file at a path.

    Raises:
        UsageError: there is none, or the file is not a suite; the message names the file and the key.
    """
    if name.endswith(_ENDING):
        try:
            text = Path(name).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError, RuntimeError) as error:
            raise UsageError(f"{name}: the suite cannot be read ({error})") from None
        return parse_suite(text, name=Path(name).stem, file=name)
    if name not in suite_names():
        close = get_close_matches(name, suite_names(), n=3) or suite_names()
        raise UsageError(
            f"no suite called {name!r}; there are {', '.join(close)}, or a file of your own (.toml)"
        )
    file = f"{name}{_ENDING}"
    return parse_suite(_bundled().joinpath(file).read_text("utf-8"), name=name, file=file)


def reported_tasks() -> frozenset[str]:
    """Names of the tasks that a bundled suite reports on; to run one is a look at a test set."""
    return frozenset(task.name for task in tasks_reported_on())


def tasks_reported_on() -> tuple[SuiteTask, ...]:
    """The tasks of all bundled suites to report on, each once."""
    suites = [load_suite(name) for name in suite_names()]
    reported = [task for suite in suites if suite.role is SuiteRole.REPORT for task in suite.tasks]
    return tuple(dict.fromkeys(reported))


def parse_suite(text: str, *, name: str, file: str) -> Suite:
    """Read the TOML of a suite: `description`, `role` ("choose" or "report") and `tasks` ("CORPUS:SPLIT").

    Raises:
        UsageError: naming the file and the key that is unknown, missing or wrong.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not valid TOML ({error})") from None
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{file}: {key}: unknown key; known: {', '.join(_KEYS)}")
    role, tasks, description = table.get("role"), table.get("tasks"), table.get("description", "")
    if role not in set(SuiteRole):
        raise UsageError(f'{file}: role: must be "choose" or "report", not {role!r}')
    if not isinstance(description, str):
        raise UsageError(f"{file}: description: must be a string, not {description!r}")
    if not isinstance(tasks, list) or not tasks:
        raise UsageError(f'{file}: tasks: must be a list such as ["my_corpus:test"], not {tasks!r}')
    parsed = tuple(parse_task(task, file=file) for task in tasks)
    twice = [task.name for task in parsed if parsed.count(task) > 1]
    if twice:
        raise UsageError(f"{file}: tasks: {twice[0]!r} is there twice")
    return Suite(name, SuiteRole(role), description, parsed)


def parse_task(text: object, *, file: str) -> SuiteTask:
    """Read "CORPUS:SPLIT".

    Raises:
        UsageError: if it is something else.
    """
    corpus, colon, split = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not (corpus and colon and split) or corpus == HUB.removesuffix(":"):  # "mteb:NAME" lacks its split
        raise UsageError(f'{file}: tasks: {text!r} is not "CORPUS:SPLIT", such as "my_corpus:test"')
    return SuiteTask(corpus, split).canonical


def _bundled() -> Traversable:
    return files("medsearch").joinpath("suites")
