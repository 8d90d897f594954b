"""Effects: which components and numbers go with a lower loss."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from neuramosaic import seeds
from neuramosaic.analysis.effect_plots import effects_figure, interactions_figure, parallel_figure
from neuramosaic.analysis.effects import Effect, component_effects, component_interactions
from ui.results import designs, levels, measurements, once
from ui.views.charts import chart, downloads
from ui.views.page import Page, empty, needs_study


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
    components, pairs, numbers = st.tabs(["Components", "Pairs of components", "All numbers"])
    with components:
        _components(effects, page.unit)
    with pairs:
        interactions = once(reader, study, "interactions", lambda: component_interactions(trials))
        if interactions:
            st.caption(
                "The twenty pairs that are furthest from the sum of their two effects."
                " Among many pairs some intervals exclude zero by chance."
            )
            chart(interactions_figure(interactions, page.unit), "interactions")
        else:
            empty(
                "Too few trials to tell pairs apart: each needs three trials with both, with either and with neither."
            )
    with numbers:
        chart(
            once(reader, study, "parallel", lambda: parallel_figure(designs(reader, study), page.unit)),
            "parallel coordinates",
        )
    downloads()


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
