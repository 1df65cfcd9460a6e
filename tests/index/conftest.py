"""Small chunks for all index tests."""

from __future__ import annotations

import pytest
from index_material import CHUNK


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsearch.index.vectors.CHUNK", CHUNK)
