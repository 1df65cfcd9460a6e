"""Training on several devices: what the processes that torchrun started have to agree on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.training.processes import meet


def test_processes_wait_for_the_first_one_longer_than_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch gives up after ten minutes; cleaning data and scoring candidates take the first one hours."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("accelerate.PartialState", lambda **settings: asked.append(settings))
    meet()
    assert asked == []
    monkeypatch.setenv("WORLD_SIZE", "2")
    meet()
    assert asked[0]["timeout"] >= timedelta(hours=12)
