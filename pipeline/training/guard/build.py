"""The guard set: questions outside medicine, by which it is seen what training has cost.

All of it comes with installed packages, so that it is the same on every machine with the same versions, and
nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.training.guard.documentation import documentation_pairs
from pipeline.training.guard.pairs import guard_task
from pipeline.training.guard.questions import question_pairs
from pipeline.training.panel.task import PanelTask


@dataclass(frozen=True, slots=True)
class Guard:
    """Tasks outside medicine, and the versions of the packages that their texts come from."""

    tasks: tuple[PanelTask, ...]
    versions: Mapping[str, str]


def guard_set() -> Guard:
    """What the installed packages give: `software documentation`, and with chatterbot-corpus two more.

    Texts depend on the packages' versions, so that scores are compared only of models scored together.
    """
    tasks, versions = [], dict[str, str]()
    for material in (documentation_pairs(), question_pairs()):
        versions |= material.versions
        tasks += [guard_task(name, pairs) for name, pairs in material.pairs.items()]
    return Guard(tuple(tasks), versions)
