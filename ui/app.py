"""The app: what Streamlit runs, once for each session and each click. `neuramosaic ui` starts it, behind a gate."""

from __future__ import annotations

import os
from functools import partial
from importlib import import_module
from pathlib import Path

import streamlit as st

from neuramosaic.errors import NeuraMosaicError
from ui.reader import Reader, newest
from ui.serving import WORKSPACE
from ui.views.page import Page, guarded, say_error

#: The views by heading: module, title, icon. The first one is shown first.
VIEWS = {
    "Work": (
        ("overview", "Overview", ":material/home:"),
        ("chat", "Chat", ":material/chat:"),
        ("live", "Live session", ":material/play_circle:"),
    ),
    "Results": (
        ("leaderboard", "Leaderboard", ":material/leaderboard:"),
        ("trial", "Trial", ":material/science:"),
        ("pareto", "Pareto front", ":material/show_chart:"),
    ),
    "What was learned": (
        ("space_map", "Map", ":material/map:"),
        ("effects", "Effects", ":material/bar_chart:"),
        ("literature", "Literature", ":material/menu_book:"),
    ),
    "This machine": (("settings", "Settings", ":material/settings:"),),
}


@st.cache_resource
def reader_of(workspace: str) -> Reader:
    """Return the reader of a workspace, one for all sessions."""
    return Reader(Path(workspace))


def chosen_study(reader: Reader) -> str | None:
    """Let the person choose a study; the address keeps the choice, so that a link opens the same one."""
    studies = reader.studies()
    if not studies:
        return None
    names = [study.id for study in reversed(studies)]
    if st.session_state.get("study") not in names:
        asked = st.query_params.get("study") or st.session_state.get("study kept")
        st.session_state["study"] = asked if asked in names else newest(studies)
    study = str(st.sidebar.selectbox("Study", names, key="study"))
    # What belongs to a widget is gone once a page does not draw it: the choice is kept beside it.
    st.session_state["study kept"] = st.query_params["study"] = study
    return study


def draw(view: str, page: Page) -> None:
    """Draw a view; what goes wrong is said in a line."""
    guarded(import_module(f"ui.views.{view}").render)(page)


def main() -> None:
    """Draw the app."""
    st.set_page_config(page_title="NeuraMosaic", page_icon=":material/hub:", layout="wide")
    reader = reader_of(os.environ.get(WORKSPACE, "workspace"))
    try:
        page = Page(reader, chosen_study(reader))
    except NeuraMosaicError as error:
        say_error(str(error))
        return
    pages = {
        heading: [
            st.Page(partial(draw, view, page), title=title, icon=icon, url_path=view, default=view == "overview")
            for view, title, icon in views
        ]
        for heading, views in VIEWS.items()
    }
    st.navigation(pages).run()


if __name__ == "__main__":  # how Streamlit runs it
    main()
