"""Effects: which components and numbers go with a lower loss."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from neuramosaic import seeds
from neuramosaic.analysis.designs import Measurement
from neuramosaic.analysis.effect_plots import effects_figure, interactions_figure, parallel_figure
from neuramosaic.analysis.effects import Effect, component_effects, component_interactions
from ui.results import designs, levels, measurements, once
from ui.views.charts import chart, downloads
from ui.views.page import Page, empty, needs_study

PARTS = ("Components", "Pairs of components", "All numbers")


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Effects")
    if not needs_study(page):
        return
    reader, study = page.reader, str(page.study)
    trials = measurements(reader, study)
    if not levels(trials):
        empty(
            "No trial of this study is complete yet: effects are differences between losses. See how it runs with",
            f"neuramosaic status {study}",
        )
        return
    effects = once(reader, study, "effects", lambda: component_effects(trials, rng=seeds.stream(0, "app", "effects")))
    # Not tabs, which draw what they do not show.
    part = st.segmented_control("Show", PARTS, default=PARTS[0], required=True, key="effects part")
    if part == PARTS[0]:
        _components(effects, page.unit)
    elif part == PARTS[1]:
        _pairs(page, trials)
    else:
        figure = once(reader, study, "parallel", lambda: parallel_figure(designs(reader, study), page.unit))
        chart(figure, "parallel coordinates")
    downloads()


def _pairs(page: Page, trials: list[Measurement]) -> None:
    pairs = once(page.reader, str(page.study), "interactions", lambda: component_interactions(trials))
    if not pairs:
        empty("Too few trials to tell pairs apart: each needs three trials with both, with either and with neither.")
        return
    st.caption(
        "The twenty pairs that are furthest from the sum of their two effects. Among many pairs some intervals exclude"
        " zero by chance."
    )
    chart(interactions_figure(pairs, page.unit), "interactions")


def _components(effects: list[Effect], unit: str) -> None:
    if not effects:
        empty("Too few trials for effects: a component needs three complete trials with it and three without.")
        return
    st.caption(
        "An association, not a cause: the search does not choose components at random, and with many components some"
        " intervals exclude zero by chance. To prove one, compare it with the baseline over several seeds:"
    )
    st.code('neuramosaic idea "..."    # or: neuramosaic component try NAME', language="shell")
    chart(effects_figure(effects, unit), "component effects")
    frame = pd.DataFrame(
        {
            "component": effect.component,
            f"difference ({unit})": effect.difference,
            "low": effect.low,
            "high": effect.high,
            "trials with": effect.n_with,
            "trials without": effect.n_without,
        }
        for effect in effects
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(frame, hide_index=True)
    st.download_button("CSV", frame.to_csv(index=False), "effects.csv", "text/csv", icon=":material/download:")
