"""Map: the architectures in the plane, their groups, and the loss over pairs of dimensions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from neuramosaic.analysis.clusters import Cluster
from neuramosaic.analysis.designs import Designs
from neuramosaic.analysis.map_plots import NEIGHBOURS, PCA, map_figure
from neuramosaic.analysis.surface import (
    axis,
    observed,
    observed_figure,
    predicted_figures,
    shared_ends,
    surface_dimensions,
)
from ui.results import designs, loss_model, once, placed
from ui.views.charts import chart, downloads, open_trial
from ui.views.page import Page, empty, needs_study, plain

PARTS = ("The space", "Loss over two dimensions")


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Map")
    if not needs_study(page):
        return
    reader, study = page.reader, str(page.study)
    shown = designs(reader, study)
    if not len(shown):
        empty(
            "No trial of this study has finished yet: there is nothing to place. See how it runs with",
            f"neuramosaic status {study}",
        )
        return
    # Not tabs, which draw what they do not show.
    part = st.segmented_control("Show", PARTS, default=PARTS[0], required=True, key="map part")
    if part == PARTS[0]:
        _plane(page)
    else:
        _surfaces(page, shown)
    downloads()


def _plane(page: Page) -> None:
    reader, study = page.reader, str(page.study)
    left, right = st.columns((2, 1))
    method = left.segmented_control("Placed by", [PCA, NEIGHBOURS], default=PCA, required=True, key="map method")
    colour = right.segmented_control("Coloured by", ["loss", "group"], default="loss", required=True, key="map colour")
    with st.spinner("Placing the architectures ..."):
        found, where = placed(reader, study, str(method))
    shown, labels, clusters = found.designs, found.labels, found.clusters
    figure = map_figure(
        shown,
        page.unit,
        placed=where,
        labels=labels if clusters else None,
        clusters=clusters,
        by_cluster=colour == "group" and bool(clusters),
    )
    picked = chart(figure, f"map {method}", on_select="rerun", selection_mode="points")
    st.caption(f"{len(shown):,} architectures at {shown.level}. Click a point to open its trial.")
    _opened(picked, study)
    _groups(clusters, page.unit)


def _opened(picked: Any, study: str) -> None:
    points = picked["selection"]["points"] if picked and "selection" in picked else []
    for point in points[:1]:
        found = point.get("customdata")
        trial = found[0] if isinstance(found, list) else found
        if isinstance(trial, str):
            open_trial(trial, study, f"Open {trial}", "open picked")


def _groups(clusters: list[Cluster], unit: str) -> None:
    st.subheader("Groups")
    if not clusters:
        empty("Groups of similar architectures are looked for from twelve finished architectures on.")
        return
    st.caption(
        "By k-means on the architectures alone, without regard to the loss; their number is the one with the best"
        " silhouette."
    )
    rows = [
        {
            "group": str(group.number),
            "architectures": str(group.size),
            f"mean loss ({unit})": f"{group.mean:.4f}" if group.best_trial else "-",
            "best": f"{group.best:.4f}" if group.best_trial else "-",
            "best trial": group.best_trial or "-",
            "what sets it apart": "; ".join(group.traits) or "nothing in particular",
        }
        for group in clusters
    ]
    frame = pd.DataFrame(rows)
    # A table and no data frame, so that the words wrap; what it shows as Markdown is escaped.
    st.table(pd.DataFrame({name: plain(text) for name, text in row.items()} for row in rows).set_index("group"))
    st.download_button("CSV", frame.to_csv(index=False), "groups.csv", "text/csv", icon=":material/download:")


def _surfaces(page: Page, shown: Designs) -> None:
    reader, study = page.reader, str(page.study)
    names = surface_dimensions(shown)
    if len(names) < 2:
        empty("Fewer than two dimensions were varied so far: let more trials finish.")
        return
    left, right = st.columns(2)
    first = left.selectbox("Across", names, index=_first(names, "block0.mixer", 0), key="surface x")
    others = [name for name in names if name != first]
    second = right.selectbox("Up", others, index=_first(others, "training.learning_rate", 0), key="surface y")
    x, y = axis(shown, first), axis(shown, second)
    seen = observed(shown, x, y)
    if not st.toggle("Show what the Gaussian process predicts, and how sure it is", key="predict"):
        chart(observed_figure(seen, x, y, page.unit), "observed loss")
        st.caption("The prediction is fitted when you ask for it, which takes some seconds once.")
        return
    with st.spinner("Fitting the Gaussian process ..."):
        model = loss_model(reader, study)
        found = once(reader, study, "surface", lambda: model.predict(x, y), first, second)
    ends = shared_ends(seen.mean, found.mean)
    mean, deviation = predicted_figures(found, x, y, page.unit, ends)
    chart(observed_figure(seen, x, y, page.unit, ends), "observed loss")
    chart(mean, "predicted loss")
    chart(deviation, "uncertainty")
    st.caption(
        plain(
            f"The process of the search's surrogate, fitted to {model.fitted_to} architectures; a cell is the mean over"
            " architectures that were tried, with these two dimensions changed. Cells far from any trial are guesses:"
            " look at the uncertainty."
        )
    )


def _first(names: list[str], wanted: str, otherwise: int) -> int:
    return names.index(wanted) if wanted in names else otherwise
