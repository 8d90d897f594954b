"""The app: what Streamlit runs, once for each session and each click. `neuramosaic ui` starts it."""

from __future__ import annotations

import hmac
import os
from functools import partial
from importlib import import_module
from pathlib import Path

import streamlit as st

from neuramosaic.errors import NeuraMosaicError
from ui.reader import Reader, newest
from ui.views.page import Page

WORKSPACE, TOKEN = "NEURAMOSAIC_WORKSPACE", "NEURAMOSAIC_UI_TOKEN"

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


def admitted() -> bool:
    """Return whether this session may see anything: where a token is set, it has to be given once."""
    token = os.environ.get(TOKEN, "")
    if not token or st.session_state.get("admitted"):
        return True
    given = st.query_params.pop("token", None) or st.text_input("Token", type="password")
    if given and hmac.compare_digest(given.encode(), token.encode()):
        st.session_state["admitted"] = True
        st.rerun()
    if given:
        st.error("This is not the token that 'neuramosaic ui' was started with.")
    else:
        st.info("This app asks for the token that 'neuramosaic ui' printed when it was started.")
    return False


def chosen_study(reader: Reader) -> str | None:
    """Let the person choose a study; the address keeps the choice, so that a link opens the same one."""
    studies = reader.studies()
    if not studies:
        return None
    names = [study.id for study in reversed(studies)]
    asked = st.query_params.get("study") or st.session_state.get("study")
    index = names.index(asked) if asked in names else names.index(newest(studies) or names[0])
    study = st.sidebar.selectbox("Study", names, index=index)
    st.session_state["study"] = study
    st.query_params["study"] = study
    return str(study)


def draw(view: str, page: Page) -> None:
    """Draw a view; what goes wrong is said in a line."""
    try:
        import_module(f"ui.views.{view}").render(page)
    except NeuraMosaicError as error:
        st.error(str(error), icon=":material/error:")


def main() -> None:
    """Draw the app."""
    st.set_page_config(page_title="NeuraMosaic", page_icon=":material/hub:", layout="wide")
    if not admitted():
        return
    reader = reader_of(os.environ.get(WORKSPACE, "workspace"))
    try:
        page = Page(reader, chosen_study(reader))
    except NeuraMosaicError as error:
        st.error(str(error), icon=":material/error:")
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
