"""Keeps what a benchmark measured, with all that it depends on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from medsearch.evaluation.evaluate import git_revision

RESULTS = Path(__file__).resolve().parent / "results"


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, least and most of repeated timings, in seconds."""
    return {"median": round(median(seconds), 4), "min": round(min(seconds), 4), "max": round(max(seconds), 4)}


def keep(name: str, measured: Mapping[str, Any]) -> None:
    """Print the result, and write it to `results/NAME.json`."""
    record = {
        **measured,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "git_revision": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))
