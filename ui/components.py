"""What both views show: the permanent notice, the query box, errors, and small pieces of HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import streamlit as st

from medsearch.errors import MedsearchError
from medsearch.index.manifest import Manifest
from medsearch.types import ModelSpec
from ui.labels import counted, method_label
from ui.markup import escaped, markdown_literal

NOTICE = (
    "<strong>Not a medical device.</strong> Do not use it to diagnose or to decide on treatment. "
    "Documents may be wrong or out of date: always check the source."
)
LONGEST_QUERY = 1000
_STYLE = Path(__file__).parent / "style.css"
_QUERY = "query"


def open_page(title: str, purpose: str, width: str = "reading") -> None:
    """Begin a view: the style, the permanent notice, and the heading; `width` is "reading" or "wide"."""
    st.html(_STYLE)
    st.html(
        f'<aside class="ms-banner" aria-label="Important notice">{NOTICE}</aside>'
        f'<h1 class="ms-title ms-{width}">{escaped(title)}</h1><p class="ms-purpose">{escaped(purpose)}</p>'
    )


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show what medsearch refuses as one line, and leave the rest of the view out."""
    try:
        yield
    except MedsearchError as error:
        st.error(markdown_literal(str(error)))


def ask(placeholder: str) -> str:
    """The query box with its button; returns the last query that was sent, without surrounding space.

    The query stays in the session's memory: never in the address, a log or the browser's form history.
    """
    with st.form("ask", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Your question",
            key=_QUERY,
            placeholder=placeholder,
            max_chars=LONGEST_QUERY,
            autocomplete="off",
            persist_state="session",
        )
        sent = st.form_submit_button("Search", type="primary", icon=":material/search:")
    query = (text or "").strip()
    if sent and not query:
        st.info("Type a question or some words first, then press Enter.")
    return query


def suggest(examples: Sequence[str]) -> None:
    """Example questions as buttons that fill in the query box."""
    st.caption("For example")
    with st.container(horizontal=True, gap="small", key="examples"):
        for number, example in enumerate(examples):
            st.button(example, key=f"example-{number}", on_click=_fill, args=(example,))


def _fill(example: str) -> None:
    st.session_state[_QUERY] = example


def choose_method(
    label: str, names: Sequence[str], models: Mapping[str, ModelSpec], *, start: str, key: str
) -> str:
    """A choice of retriever in plain English; returns its name."""
    return st.selectbox(
        label,
        names,
        index=names.index(start),
        format_func=lambda name: method_label(name, models),
        key=key,
        persist_state="session",
    )


def choose_corpus(names: Sequence[str]) -> str:
    """The corpus to search: a choice where there is more than one."""
    if len(names) == 1:
        return names[0]
    return st.selectbox("Collection", names, key="corpus", persist_state="session")


def show_nothing_indexed() -> None:
    """What to do where no corpus has been indexed yet."""
    st.info(
        "**Nothing can be searched yet.** Open a terminal in the folder of medsearch and run "
        "`medsearch index sample` to prepare the demonstration documents. Then reload this page."
    )


def show_collection(manifest: Manifest) -> None:
    """What was searched: name, size and the day it was indexed."""
    size = counted(manifest.counts.documents, "document")
    if manifest.counts.passages != manifest.counts.documents:
        size += f" in {counted(manifest.counts.passages, 'passage')}"
    day = datetime.fromisoformat(manifest.created).strftime("%d %B %Y").lstrip("0")
    st.html(
        f'<p class="ms-quiet">Collection <strong>{escaped(manifest.plan.corpus)}</strong>: {size}, '
        f"indexed on {escaped(day)}. Your questions stay on this computer.</p>"
    )


def chips(phrases: Sequence[str]) -> str:
    """Short phrases as a list of small labels."""
    items = "".join(f'<li dir="auto">{escaped(phrase)}</li>' for phrase in phrases)
    return f'<ul class="ms-chips" aria-label="Active filters">{items}</ul>'


def tooltip(text: str, explanation: str, tip_id: str) -> str:
    """HTML: a short text that explains itself when hovered over or reached with the Tab key."""
    own = escaped(tip_id)
    return (
        f'<span class="ms-tip" tabindex="0" aria-describedby="{own}">{escaped(text)}'
        f'<span class="ms-tip-text" role="tooltip" id="{own}">{escaped(explanation)}</span></span>'
    )
