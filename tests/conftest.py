"""Fixtures shared by all tests: the real corpora, and settings that touch only a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from medsearch.settings import Settings

# Other tests run beside: how long an example takes says nothing.
hypothesis.settings.register_profile("beside others", deadline=None)
hypothesis.settings.load_profile("beside others")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def ledger_of_looks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests that evaluate are no looks of ours: they are noted in a ledger of their own."""
    file = tmp_path_factory.mktemp("looks") / "looks.jsonl"
    os.environ["MEDSEARCH_LOOKS"] = str(file)
    return file


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora, beside the checkout; they are not part of the project."""
    folder = Path(os.environ.get("MEDSEARCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "medquad").is_dir():
        pytest.skip(f"the real corpora are not at {folder}; name their folder in MEDSEARCH_TEST_DATA")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose index and cache are temporary, and whose corpora are the bundled ones."""
    return Settings(data=(ROOT / "data",), index=tmp_path / "index", cache=tmp_path / "cache", models=None)


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all slow tests of a process, so that MiniLM is exported once in each."""
    return tmp_path_factory.mktemp("model_cache")
