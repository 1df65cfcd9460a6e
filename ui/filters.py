"""The filters beside the results: drawn from what the corpus has, always visible when active."""

from __future__ import annotations

import streamlit as st

from medsearch.types import Filter
from ui.components import chips
from ui.facets import Counted, Facets
from ui.labels import counted, distinct_labels

_CLEARED = "filters-cleared"


def choose_filters(facets: Facets, scope: str) -> Filter:
    """Draw the filters in the sidebar; `scope` names the index, so that another one starts unfiltered."""
    scope = f"{scope}|{st.session_state.get(_CLEARED, 0)}"
    with st.sidebar:
        st.subheader("Narrow the results", anchor=False)
        years = _choose_years(facets, scope)
        where = Filter(
            year_from=years[0] if years else None,
            year_to=years[1] if years else None,
            kinds=_choose_values("Kind of document", facets.kinds, f"kinds|{scope}"),
            sources=_choose_values("Source", facets.sources, f"sources|{scope}"),
            sections=_choose_values("Section", facets.sections, f"sections|{scope}"),
        )
        if not any((len(facets.years) > 1, facets.kinds, facets.sources, facets.sections)):
            st.caption("These documents carry nothing to filter by.")
    return where


def _choose_years(facets: Facets, scope: str) -> tuple[int, int] | None:
    """The range that was narrowed to, or `None` where it is as wide as the corpus."""
    if len(facets.years) < 2:
        return None
    whole = (facets.years[0], facets.years[-1])
    first, last = st.slider(
        "Year", *whole, value=whole, key=f"years|{scope}", format="%d", persist_state="session"
    )
    chosen = int(first), int(last)
    if chosen == whole:
        return None
    if facets.undated:
        st.caption(f"{counted(facets.undated, 'passage')} without a year are left out.")
    return chosen


def _choose_values(label: str, values: Counted, key: str) -> tuple[str, ...]:
    if not values:
        return ()
    counts = dict(values)
    labels = distinct_labels(counts)
    return tuple(
        st.multiselect(
            label,
            list(counts),
            format_func=lambda value: f"{labels[value]} ({counts[value]:,})",
            key=key,
            placeholder="Any",
            select_all=False,
            help="The number is how many passages there are of each.",
            persist_state="session",
        )
    )


def active_filters(where: Filter) -> list[str]:
    """One phrase an active filter."""
    phrases = []
    if where.year_from is not None and where.year_to is not None:
        same = where.year_from == where.year_to
        phrases.append(f"Year: {where.year_from}" + ("" if same else f" to {where.year_to}"))
    for label, values in (("Kind", where.kinds), ("Source", where.sources), ("Section", where.sections)):
        if values:
            phrases.append(f"{label}: {' or '.join(distinct_labels(values).values())}")
    return phrases


def show_active_filters(where: Filter) -> None:
    """Name the active filters above the results, with one button that clears them all."""
    phrases = active_filters(where)
    if not phrases:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="active-filters"):
        st.html(chips(phrases), width="content")
        st.button("Clear filters", key="clear", type="tertiary", on_click=_clear)


def _clear() -> None:
    """New keys give new widgets: that alone resets both the browser's side and ours."""
    st.session_state[_CLEARED] = st.session_state.get(_CLEARED, 0) + 1
