"""What the stages of a run were told and what came of them, read from their journals without opening them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medsearch.errors import MedsearchError
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

_ORDER = ("convert", "crop", "prepare", "generate", "filter", "mine")
_JOURNAL = ".journal.jsonl"
_DIGEST = re.compile(r"[0-9a-f]{12,}")
_LONGEST = 100
"""Characters of a value that a card shows; a prompt's own words are longer, and have a name and a version."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of a run: its plan, its counts over all sittings, and whether it came to its end."""

    stage: str
    plan: Mapping[str, Any]
    total: Yield
    finished: bool

    def told(self) -> list[tuple[str, str]]:
        """The plan as names with dots and values.

        What is empty, longer than a setting, or only says which bytes were read is left out.
        """
        told = _flat(self.plan, "")
        return [
            (name, text) for name, text in told if 0 < len(text) <= _LONGEST and not _DIGEST.fullmatch(text)
        ]


def read_stages(run: RunFolder) -> list[StageRecord]:
    """The stages that left a journal, in the order of the work.

    Raises:
        MedsearchError: a journal is damaged.
    """
    names = [file.name.removesuffix(_JOURNAL) for file in run.path.glob(f"*{_JOURNAL}")]
    order = {stage: place for place, stage in enumerate(_ORDER)}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    return [record for name in names if (record := read_stage(run, name)) is not None]


def read_yield(run: RunFolder, stage: str) -> Yield | None:
    """What a stage counted so far; `None` where it was never begun. It may be running.

    Raises:
        MedsearchError: its journal is damaged.
    """
    record = read_stage(run, stage)
    return None if record is None else record.total


def read_stage(run: RunFolder, stage: str) -> StageRecord | None:
    """All that the journal of a stage says; `None` where there is none.

    Raises:
        MedsearchError: the journal is damaged.
    """
    file = run.path / f"{stage}{_JOURNAL}"
    if not file.is_file():
        return None
    plan: Mapping[str, Any] = {}
    total, finished = Yield(), False
    # What follows the last line break is a line that a kill cut short, or that is being written.
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entry = json.loads(line)
            plan = entry.get("plan", plan)
            finished = entry.get("finished", False)
            if "unit" in entry:
                counts = {key: value for key, value in entry.items() if key not in ("unit", "sizes")}
                total.add(Yield.from_record(counts))
        except (ValueError, TypeError, AttributeError, AssertionError):
            raise MedsearchError(f"{file}:{number} is damaged: do {stage} anew with --restart") from None
    return StageRecord(stage, plan, total, finished)


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        if not any(isinstance(item, Mapping | list) for item in value):
            yield name, ", ".join(str(item) for item in value)
    else:
        yield name, "" if value is None else str(value)
