"""The page's entry point: `streamlit run ui/app.py`, or better `medsearch ui`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.views import compare, search

_ABOUT = (
    "medsearch searches medical documents on this computer. It is not a medical device: "
    "do not use it to diagnose or to decide on treatment."
)


def main() -> None:
    """Set up the window and run the chosen view."""
    st.set_page_config(
        page_title="medsearch",
        page_icon=Path(__file__).parent / "icon.svg",
        layout="wide",
        menu_items={"About": _ABOUT},
    )
    views = [
        st.Page(search.page, title="Search", url_path="search", icon=":material/search:", default=True),
        st.Page(compare.page, title="Compare", url_path="compare", icon=":material/compare_arrows:"),
    ]
    st.navigation(views, position="top").run()


if __name__ == "__main__":
    main()
