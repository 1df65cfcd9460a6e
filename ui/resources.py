"""What every session shares: the settings, the model registry, and one open index a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from medsearch.encoders.registry import load_registry
from medsearch.index.manifest import Manifest, read_manifest
from medsearch.search.names import BM25
from medsearch.search.searcher import (
    Searcher,
    check_current,
    index_folder,
    indexed_corpora,
    open_searcher,
)
from medsearch.settings import Settings
from medsearch.types import ModelKind, ModelSpec
from ui.facets import Facets, read_facets

_OPEN_AT_ONCE = 8
_CHECK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Opened:
    """An open corpus with what it can be filtered by; `words` is the BM25 spec for marking words."""

    searcher: Searcher
    facets: Facets
    words: ModelSpec | None

    @property
    def manifest(self) -> Manifest:
        """What the index was made from."""
        return self.searcher.reader.manifest

    @property
    def scope(self) -> str:
        """A name that no other index, and no rebuilt one, shares."""
        return f"{self.searcher.corpus}|{self.manifest.shard}"


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings that the page was started with."""
    return Settings.from_environment()


def corpora() -> list[str]:
    """Names of the corpora that can be searched, looked up afresh at each call."""
    return indexed_corpora(settings())


def opened(corpus: str) -> Opened:
    """The open index of a corpus; a rebuilt one is opened anew, because its shard has another name.

    Raises:
        IndexRefusedError: if there is none, it is damaged, or the corpus has changed since it was made.
    """
    manifest = read_manifest(index_folder(corpus, settings()))
    _check(corpus, manifest.shard, manifest)
    return _opened(corpus, manifest.shard)


@st.cache_data(show_spinner=False, ttl=_CHECK_SECONDS)
def _check(corpus: str, shard: str, _manifest: Manifest) -> None:  # noqa: ARG001 - a part of the cache's key
    """Look once a minute whether the corpus has changed since its index was made."""
    check_current(corpus, _manifest, settings())


@st.cache_resource(show_spinner="Opening the index…", max_entries=_OPEN_AT_ONCE)
def _opened(corpus: str, shard: str) -> Opened:  # noqa: ARG001 - a part of the cache's key
    registry = _registry(settings().models)
    searcher = open_searcher(corpus, settings(), registry)
    models = searcher.reader.manifest.plan.models.values()
    sparse = next((spec for spec in models if spec.kind is ModelKind.SPARSE), registry.get(BM25))
    return Opened(searcher, read_facets(searcher.reader), sparse)


@st.cache_resource(show_spinner=False)
def _registry(models: Path | None) -> Mapping[str, ModelSpec]:
    return load_registry(models, cache=settings().cache)
