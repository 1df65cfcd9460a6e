"""Indexes of the hostile corpus, made once; each test gets settings and a cache of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from fakes import Heard, TopicEncoder
from hostile_corpus import REGISTRY, SECTIONED, ContraryEncoder, write_corpus
from late_fakes import WordEncoder
from streamlit.testing.v1 import AppTest

from medsearch.cli.main import main
from medsearch.encoders.registry import load_registry
from medsearch.index.assemble import Source
from medsearch.index.build import CutReport, Material, build_index
from medsearch.index.manifest import Plan
from medsearch.types import ModelSpec, PassageSettings

APP = Path(__file__).resolve().parents[2] / "ui" / "app.py"


def stand_in(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
    """Instead of `load_encoder`: encoders that need no weights."""
    return ContraryEncoder(spec) if spec.name == "contrary" else TopicEncoder(spec)


def use(patch: pytest.MonkeyPatch, home: Path) -> Path:
    """Point the settings at `home`, with the stand-in models."""
    for name in ("data", "index", "cache"):
        patch.setenv(f"MEDSEARCH_{name.upper()}", str(home / name))
    patch.setenv("MEDSEARCH_MODELS", str(home / "models.toml"))
    for module in ("indexing", "searcher"):
        patch.setattr(f"medsearch.search.{module}.load_encoder", stand_in)
        patch.setattr(
            f"medsearch.search.{module}.load_token_encoder", lambda spec, *, cache: WordEncoder(spec)
        )
    return home


def _made(home: Path, models: str) -> Path:
    write_corpus(home / "data" / "tiny")
    (home / "models.toml").write_text(REGISTRY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, home)
        assert main(["index", "tiny", "--models", models, "--json"]) == 0
    return home


@pytest.fixture(scope="session")
def words_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus indexed with BM25 only; not to be changed."""
    return _made(tmp_path_factory.mktemp("words"), "bm25")


@pytest.fixture(scope="session")
def models_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus indexed with BM25 and two dense models; not to be changed."""
    return _made(tmp_path_factory.mktemp("models"), "topics,contrary,bm25")


@pytest.fixture(scope="session")
def late_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus indexed with BM25, a dense model and late interaction; not to be changed."""
    return _made(tmp_path_factory.mktemp("late"), "topics,bm25,late")


@pytest.fixture(scope="session")
def sections_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of passages in sections, whose corpus is not there; not to be changed."""
    home = tmp_path_factory.mktemp("sections")
    plan = Plan("articles", "f" * 64, PassageSettings(), {"bm25": load_registry()["bm25"]}, cutting=1)
    material = Material(
        passages=lambda: iter(SECTIONED),
        documents=lambda: None,
        cut=lambda: CutReport(rejects=0, long_passages=0),
        text=lambda passage: f"{passage.title} {passage.text}",
        encoder=lambda name: TopicEncoder(),
        source=Source(path="", stamp="stamp"),
    )
    build_index(home / "index" / "articles", plan, material, Heard())
    (home / "models.toml").write_text(REGISTRY, encoding="utf-8")
    return home


@pytest.fixture(autouse=True)
def _fresh_resources() -> Iterator[None]:
    """No index or setting of another test stays open."""
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def words(words_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings for `words_home`."""
    return use(monkeypatch, words_home)


@pytest.fixture
def models(models_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings for `models_home`."""
    return use(monkeypatch, models_home)


@pytest.fixture
def late(late_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings for `late_home`."""
    return use(monkeypatch, late_home)


@pytest.fixture
def sections(sections_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings for `sections_home`."""
    return use(monkeypatch, sections_home)


@pytest.fixture
def own_copy(words_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `words_home` that a test may change, and settings for it."""
    return use(monkeypatch, Path(shutil.copytree(words_home, tmp_path / "home")))


@pytest.fixture
def search_page() -> Callable[[], AppTest]:
    """Opens the page at its first view, Search."""
    return lambda: AppTest.from_file(str(APP), default_timeout=20).run()


def _compare() -> None:
    from ui.views import compare

    compare.page()


@pytest.fixture
def compare_page() -> Callable[[], AppTest]:
    """Opens the Compare view: `AppTest` cannot go to a page that is a function."""
    return lambda: AppTest.from_function(_compare, default_timeout=20).run()
