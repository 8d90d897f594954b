"""Figures in a view, and their downloads."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

_FORMAT = "image format"


def chart(figure: go.Figure, name: str, **options: Any) -> Any:
    """Draw a figure; its camera button saves it in the format that `downloads` lets the person choose.

    Args:
        figure: The figure.
        name: Of the file, and of the element.
        options: Passed on to Streamlit.
    """
    format_ = str(st.session_state.get(_FORMAT) or "SVG").lower()
    image = {
        "format": format_,
        "filename": f"neuramosaic-{name.replace(' ', '-')}",
        "scale": 2 if format_ == "png" else 1,
    }
    config = {"displaylogo": False, "toImageButtonOptions": image}
    return st.plotly_chart(figure, key=name, config=config, **options)


def downloads() -> None:
    """Let the person choose what the figures of this view are saved as."""
    st.segmented_control(
        "The camera above a figure saves it as", ["SVG", "PNG"], default="SVG", key=_FORMAT, selection_mode="single"
    )


def open_trial(trial: str, study: str, label: str, key: str) -> None:
    """Draw a button that opens the view of a trial."""
    if st.button(label, key=key, icon=":material/science:"):
        st.session_state["trial"] = trial
        page = st.Page(_registered, title="Trial", url_path="trial")
        st.switch_page(page, query_params={"study": study, "trial": trial})


def _registered() -> None:
    """Stand for the view, which the app has registered under the same address."""
