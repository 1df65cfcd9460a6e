"""The Search view: one question, one list of results."""

from __future__ import annotations

import streamlit as st

from medsearch.search.searcher import Found
from medsearch.types import Filter
from ui import resources
from ui.cards import Look, result_list
from ui.components import (
    ask,
    choose_corpus,
    choose_method,
    open_page,
    show_collection,
    show_nothing_indexed,
    shown_errors,
    suggest,
)
from ui.filters import choose_filters, show_active_filters
from ui.labels import counted, method_of
from ui.markup import Marker
from ui.resources import Opened

_EXAMPLES = (
    "chest pain after eating",
    "Can I breastfeed while taking antidepressants?",
    "follow-up after hip replacement",
    "DKA fluids in children",
)
_COUNTS = (5, 10, 20, 50)


def page() -> None:
    """Draw the view."""
    open_page("Search", "Ask in plain words, or type keywords. The best passages come first.")
    with shown_errors():
        names = resources.corpora()
        if not names:
            show_nothing_indexed()
            return
        query = ask("For example: chest pain after eating")
        corpus, method, count = _choose(names)
        where = choose_filters(corpus.facets, corpus.scope)
        show_active_filters(where)
        if query:
            with st.spinner("Searching… the first search with a model takes a few seconds longer."):
                found = corpus.searcher.search(query, retriever=method, k=count, where=where)
            _show(found, corpus, where)
        else:
            suggest(_EXAMPLES)
        show_collection(corpus.manifest)


def _choose(names: list[str]) -> tuple[Opened, str, int]:
    """The corpus, the retriever and the number of results, side by side."""
    with st.container(horizontal=True, key="choices"):
        corpus = resources.opened(choose_corpus(names))
        methods = corpus.searcher.every_name()
        models = dict(corpus.manifest.plan.models)
        method = choose_method("Search by", methods, models, start=methods[0], key=f"method|{corpus.scope}")
        count = st.selectbox("Results", _COUNTS, index=1, key="count", width=110, persist_state="session")
    return corpus, method, count


def _show(found: Found, corpus: Opened, where: Filter) -> None:
    if not found.hits:
        _show_nothing_found(filtered=where != Filter())
        return
    best = "The best " if len(found.hits) > 1 else ""
    st.html(
        f'<p class="ms-count" role="status">{best}{counted(len(found.hits), "document")}, '
        f"found in {_duration(found.seconds)}</p>"
    )
    look = Look(Marker(found.query, corpus.words), method_of(found.retriever, corpus.manifest.plan.models))
    st.html(result_list(found.hits, look))


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} seconds" if seconds >= 1 else f"{max(1, round(seconds * 1000))} milliseconds"


def _show_nothing_found(*, filtered: bool) -> None:
    if filtered:
        st.info("Nothing was found under these filters. Widen or clear them to search more documents.")
    else:
        st.info(
            "No document has these words. Check the spelling, try other words, "
            "or choose a search by meaning where there is one."
        )
