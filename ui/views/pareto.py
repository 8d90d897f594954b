"""Pareto front: loss against what it costs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from neuramosaic import seeds
from neuramosaic.analysis.designs import Measurement
from neuramosaic.analysis.pareto import COSTS, Cost, pareto_front
from neuramosaic.analysis.pareto_plots import pareto_figure
from ui.results import levels, measurements, memory
from ui.views.charts import chart, downloads, open_trial
from ui.views.page import Page, empty, needs_study


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Pareto front")
    if not needs_study(page):
        return
    reader, study = page.reader, str(page.study)
    trials = measurements(reader, study)
    found = levels(trials)
    if not found:
        empty(
            "No trial of this study is complete yet. Watch it in the live session, or with",
            f"neuramosaic status {study}",
        )
        return
    left, right = st.columns(2)
    name = left.selectbox("Cost", list(COSTS), index=list(COSTS).index("seconds"), key="pareto cost")
    level = right.selectbox("Fidelity", found, format_func=str, key="pareto fidelity")
    cost = COSTS[name]
    chosen = [t for t in trials if (t.rung, t.fidelity_tokens) == (level.rung, level.tokens) and t.val_loss is not None]
    if cost.name == "peak_memory_bytes":
        peaks = memory(reader, study)
        chosen = [replace(trial, peak_memory_bytes=peaks.get(trial.id)) for trial in chosen]
    front = pareto_front(chosen, cost)
    if not front:
        empty(f"No trial at this fidelity says its {name}: choose another cost.")
        return
    chart(pareto_figure(chosen, cost, page.unit, rng=seeds.stream(0, "app", "pareto")), "pareto front")
    if name == "parameters":
        st.caption("The parameters of a study are matched, so they hardly differ: look at seconds or FLOPs.")
    _front(page, front, cost)
    downloads()


def _front(page: Page, front: list[Measurement], cost: Cost) -> None:
    st.subheader("On the front")
    frame = pd.DataFrame(
        {
            "trial": trial.id,
            "val loss": trial.val_loss,
            cost.title: cost.of(trial),
            "source": trial.source,
            "architecture": trial.label,
        }
        for trial in front
    )
    st.dataframe(frame, hide_index=True, column_config={"val loss": st.column_config.NumberColumn(format="%.4f")})
    best = front[-1]
    with st.container(horizontal=True):
        st.download_button("CSV", frame.to_csv(index=False), "pareto-front.csv", "text/csv", icon=":material/download:")
        open_trial(best.id, str(page.study), f"Open {best.id}, the lowest loss", "open lowest")
