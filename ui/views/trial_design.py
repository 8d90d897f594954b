"""A trial's architecture: drawn, and as a vector by named dimension."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from neuramosaic.analysis.designs import point_of
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialRecord
from ui.diagram import diagram
from ui.results import space_of
from ui.views.page import Page, plain


def draw_design(page: Page, record: TrialRecord) -> None:
    """Draw the architecture of a trial."""
    svg = diagram(Architecture.from_json(record.architecture), vocab_size=page.record.task.get("vocab_size"))
    left, right = st.columns((4, 5), gap="medium")
    with left:
        st.image(svg)
        st.download_button("SVG", svg, f"{record.id}.svg", "image/svg+xml", icon=":material/download:")
    with right:
        st.markdown("**Training numbers**")
        numbers = record.architecture.get("training") or {}
        st.dataframe(
            pd.DataFrame({"name": list(numbers), "value": [float(value) for value in numbers.values()]}),
            hide_index=True,
            column_config={"value": st.column_config.NumberColumn(format="%.4g")},
        )
        _vector(page, record)
        st.markdown("**Identity**")
        st.code(f"{record.architecture_id}\nseed {record.seed}\ndata {record.corpus}", language=None, wrap_lines=True)
        with st.expander("As JSON", icon=":material/data_object:"):
            st.code(json.dumps(record.architecture, indent=2), language="json", height=400)


def _vector(page: Page, record: TrialRecord) -> None:
    space = space_of(page.reader, record.study).parameters
    st.markdown(f"**Vector**, {space.dimension} dimensions")
    try:
        point = point_of(record.architecture, space)
    except (NeuraMosaicError, KeyError) as error:
        st.info(plain(f"The study's space as it is now does not contain it: {error}"), icon=":material/info:")
        return
    unit = space.encode(point)
    frame = pd.DataFrame(
        {
            "dimension": name,
            "value": str(point[name]) if name in point else "",
            "in [0, 1]": float(unit[index]),
            "active": name in point,
        }
        for index, name in enumerate(space.names)
    )
    every = st.toggle("Inactive dimensions too", key="inactive dimensions", help="They stand at their defaults.")
    shown = frame if every else frame[frame["active"]]
    columns = {"in [0, 1]": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.3f")}
    order = ["dimension", "value", "in [0, 1]"]
    st.dataframe(shown, hide_index=True, column_config=columns, column_order=order, height="auto")
