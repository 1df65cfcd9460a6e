"""The Compare view: one question, two retrievers side by side."""

from __future__ import annotations

import streamlit as st

from ui import resources
from ui.cards import Look
from ui.components import (
    ask,
    choose_corpus,
    choose_method,
    open_page,
    show_collection,
    show_nothing_indexed,
    shown_errors,
)
from ui.labels import Method, method_label, method_of
from ui.markup import Marker, escaped, markdown_literal
from ui.model_facts import facts_html, fairness
from ui.pairs import compare_hits
from ui.resources import Opened
from ui.side_by_side import comparison, summary

TOP = 10


def page() -> None:
    """Draw the view."""
    open_page("Compare", f"One question, two ways of searching: the first {TOP} results of each.", "wide")
    with shown_errors():
        names = resources.corpora()
        if not names:
            show_nothing_indexed()
            return
        query = ask("For example: chest pain after eating")
        corpus = resources.opened(choose_corpus(names))
        methods = _choose(corpus)
        if methods[0] == methods[1]:
            _hint_at_another(corpus)
        if query:
            _show(query, corpus, methods)
        else:
            st.info("Type a question above to see what each side finds for it.")
        _show_models(corpus, methods)
        show_collection(corpus.manifest)


def default_methods(names: list[str], corpus: Opened) -> tuple[str, str]:
    """Two dense models where there are two, else hybrid against BM25, else the only one twice."""
    models = corpus.manifest.plan.models
    dense = [name for name in names if method_of(name, models) is Method.MEANING]
    return (dense[0], dense[1]) if len(dense) > 1 else (names[0], names[-1])


def _choose(corpus: Opened) -> tuple[str, str]:
    names = corpus.searcher.every_name()
    models = dict(corpus.manifest.plan.models)
    defaults = default_methods(corpus.searcher.retriever_names(), corpus)
    left, right = st.columns(2, gap="large")
    with left:
        first = choose_method("Left side", names, models, start=defaults[0], key=f"left|{corpus.scope}")
    with right:
        second = choose_method("Right side", names, models, start=defaults[1], key=f"right|{corpus.scope}")
    return first, second


def _hint_at_another(corpus: Opened) -> None:
    if len(corpus.searcher.every_name()) > 1:
        st.info("Both sides search in the same way, so they agree. Choose another way on one side.")
    else:
        command = f"medsearch index {corpus.searcher.corpus} --models minilm,bm25"
        said = "This collection can be searched in one way only, so both sides agree. To add another, run"
        st.info(markdown_literal(f"{said} `{command}` in a terminal."))


def _show(query: str, corpus: Opened, methods: tuple[str, str]) -> None:
    with st.spinner("Searching… the first search with a model takes a few seconds longer."):
        left, right = (corpus.searcher.search(query, retriever=name, k=TOP) for name in methods)
    models = corpus.manifest.plan.models
    pairs = compare_hits(left.hits, right.hits)
    marker = Marker(query, corpus.words)
    looks = (
        Look(marker, method_of(methods[0], models), "left"),
        Look(marker, method_of(methods[1], models), "right"),
    )
    st.html(f'<p class="ms-summary" role="status">{escaped(summary(pairs))}</p>')
    names = method_label(methods[0], models), method_label(methods[1], models)
    st.html(comparison(pairs, looks, names))


def _show_models(corpus: Opened, methods: tuple[str, str]) -> None:
    models = corpus.manifest.plan.models
    sides = "".join(
        f"<div><h2>{side}: {escaped(method_label(name, models))}</h2>{facts_html(name, models)}</div>"
        for side, name in zip(("Left", "Right"), methods, strict=True)
    )
    st.html(
        '<section class="ms-models" aria-label="What is compared"><p>'
        f'{escaped(fairness(corpus.manifest))}</p><div class="ms-two">{sides}</div></section>'
    )
