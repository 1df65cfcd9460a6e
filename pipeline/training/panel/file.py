"""The dev panel on disk: one file a task, each with the plan that it was made by."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from medsearch.index.manifest import replace_file


class KeptTask(BaseModel):
    """One task as it is written down; `plan` is a hash of all that it depends on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: str = ""
    name: str
    queries: dict[str, str]
    documents: dict[str, str]
    qrels: dict[str, dict[str, int]]
    ignore_identical_ids: bool


def plan_hash(parts: Mapping[str, object]) -> str:
    """What a plan is known by."""
    return sha256(repr(sorted(parts.items())).encode()).hexdigest()


def kept_task(folder: Path, name: str, plan: str) -> KeptTask | None:
    """The task as it was kept; `None` where it was not, or by another plan, or its file is damaged."""
    try:
        kept = KeptTask.model_validate_json(_file(folder, name).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return kept if kept.plan == plan else None


def keep_task(folder: Path, task: KeptTask, plan: str) -> None:
    """Write the task; a reader sees the old file or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = task.model_copy(update={"plan": plan})
    replace_file(_file(folder, task.name), whole.model_dump_json().encode() + b"\n")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{quote(name, safe=':')}.json"
